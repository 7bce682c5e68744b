//! A small DNS client: asks the resolvers of the system, or those that are configured, over UDP; what does not fit, over TCP.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, ResourceRecord, TYPE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// A resolver has so long for one question.
const PATIENCE: Duration = Duration::from_secs(2);
/// All resolvers are asked so often.
const ROUNDS: usize = 2;
const RESOLVERS_MAX: usize = 3;
/// Records of one answer. One with more is no answer.
const RECORDS_MAX: u16 = 256;
/// Aliases that are followed within one answer.
const ALIASES_MAX: usize = 8;
const DATAGRAM_MAX: usize = 4096;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    A,
    Aaaa,
    Srv,
    Naptr,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    Address(IpAddr),
    /// SRV, RFC 2782. `host` without the dot at its end; empty: the service is not offered.
    Server {
        priority: u16,
        weight: u16,
        port: u16,
        host: String,
    },
    /// NAPTR, RFC 3403, with a replacement instead of an expression.
    Pointer {
        order: u16,
        preference: u16,
        flags: String,
        service: String,
        replacement: String,
    },
}

/// What the name has of this kind; nothing, when there is no such name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Answer {
    pub records: Vec<Record>,
    /// The shortest of their times to live.
    pub ttl: Option<Duration>,
}

/// No resolver gave an answer that could be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoAnswer;

/// Resolvers, asked in this order.
#[derive(Clone, Debug)]
pub struct Resolvers(Vec<SocketAddr>);

impl Resolvers {
    /// Empty: those of the system.
    pub fn new(configured: &[SocketAddr]) -> Resolvers {
        if !configured.is_empty() {
            return Resolvers(configured.iter().copied().take(RESOLVERS_MAX).collect());
        }
        Resolvers(of_system(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default()))
    }

    pub async fn ask(&self, name: &str, kind: Kind) -> Result<Answer, NoAnswer> {
        let id = fastrand::u16(..);
        let question = question(id, name, kind).ok_or(NoAnswer)?;
        for _ in 0..ROUNDS {
            for server in &self.0 {
                let asked = ask_one(*server, &question, (id, name, kind));
                if let Ok(Some(answer)) = tokio::time::timeout(PATIENCE, asked).await {
                    return Ok(answer);
                }
            }
        }
        Err(NoAnswer)
    }
}

/// The `nameserver` lines of resolv.conf.
fn of_system(text: &str) -> Vec<SocketAddr> {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let hosts = lines.filter_map(|rest| rest.trim().split('%').next()?.parse::<IpAddr>().ok());
    hosts.map(|ip| SocketAddr::new(ip, 53)).take(RESOLVERS_MAX).collect()
}

fn question(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let kind = match kind {
        Kind::A => TYPE::A,
        Kind::Aaaa => TYPE::AAAA,
        Kind::Srv => TYPE::SRV,
        Kind::Naptr => TYPE::NAPTR,
    };
    packet.questions.push(Question::new(Name::new(name).ok()?, kind.into(), CLASS::IN.into(), false));
    packet.build_bytes_vec().ok()
}

async fn ask_one(server: SocketAddr, question: &[u8], asked: (u16, &str, Kind)) -> Option<Answer> {
    // A port of its own for each question, and only what comes from the resolver: the answer is hard to forge.
    let any: IpAddr = if server.is_ipv4() { [0u8; 4].into() } else { [0u8; 16].into() };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    socket.connect(server).await.ok()?;
    socket.send(question).await.ok()?;
    let mut buffer = [0; DATAGRAM_MAX];
    loop {
        let length = socket.recv(&mut buffer).await.ok()?;
        match read(&buffer[..length], asked) {
            // Not ours: the answer may still come.
            Read::Other => {}
            Read::Truncated => return ask_by_stream(server, question, asked).await,
            Read::Refused => return None,
            Read::Answer(answer) => return Some(answer),
        }
    }
}

/// RFC 7766: each message with its length in front.
async fn ask_by_stream(server: SocketAddr, question: &[u8], asked: (u16, &str, Kind)) -> Option<Answer> {
    let mut stream = TcpStream::connect(server).await.ok()?;
    let length = u16::try_from(question.len()).ok()?;
    stream.write_all(&[&length.to_be_bytes(), question].concat()).await.ok()?;
    let length = usize::from(stream.read_u16().await.ok()?);
    let mut buffer = vec![0; length];
    stream.read_exact(&mut buffer).await.ok()?;
    match read(&buffer, asked) {
        Read::Answer(answer) => Some(answer),
        Read::Other | Read::Truncated | Read::Refused => None,
    }
}

#[derive(PartialEq, Eq, Debug)]
enum Read {
    /// No answer to this question.
    Other,
    /// It did not fit into the datagram.
    Truncated,
    /// The resolver cannot say.
    Refused,
    Answer(Answer),
}

fn read(bytes: &[u8], (id, name, kind): (u16, &str, Kind)) -> Read {
    let counts = bytes.get(6..12).unwrap_or_default();
    let records: u32 = counts.chunks_exact(2).map(|b| u32::from(u16::from_be_bytes([b[0], b[1]]))).sum();
    if records > u32::from(RECORDS_MAX) {
        return Read::Other;
    }
    let Ok(packet) = Packet::parse(bytes) else { return Read::Other };
    let is_ours = packet.id() == id
        && packet.has_flags(PacketFlag::RESPONSE)
        && packet.questions.len() == 1
        && packet.questions[0].qname.to_string().eq_ignore_ascii_case(name);
    if !is_ours {
        return Read::Other;
    }
    match packet.rcode() {
        RCODE::NoError | RCODE::NameError => {}
        _ => return Read::Refused,
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Read::Truncated;
    }
    let owner = followed(name, &packet.answers);
    let mut answer = Answer::default();
    for record in packet.answers.iter().filter(|r| r.name.to_string().eq_ignore_ascii_case(&owner)) {
        let Some(found) = record_of(&record.rdata, kind) else { continue };
        let ttl = Duration::from_secs(u64::from(record.ttl));
        answer.ttl = Some(answer.ttl.map_or(ttl, |least| least.min(ttl)));
        answer.records.push(found);
    }
    Read::Answer(answer)
}

/// The name at the end of the aliases.
fn followed(name: &str, answers: &[ResourceRecord<'_>]) -> String {
    let mut owner = name.to_owned();
    for _ in 0..ALIASES_MAX {
        let alias = answers.iter().find_map(|record| match &record.rdata {
            RData::CNAME(target) if record.name.to_string().eq_ignore_ascii_case(&owner) => {
                Some(target.0.to_string())
            }
            _ => None,
        });
        let Some(target) = alias else { break };
        owner = target;
    }
    owner
}

fn record_of(data: &RData<'_>, kind: Kind) -> Option<Record> {
    let text = |s: &simple_dns::CharacterString<'_>| String::try_from(s.clone()).ok();
    Some(match (kind, data) {
        (Kind::A, RData::A(a)) => Record::Address(IpAddr::V4(a.address.into())),
        (Kind::Aaaa, RData::AAAA(a)) => Record::Address(IpAddr::V6(a.address.into())),
        (Kind::Srv, RData::SRV(srv)) => Record::Server {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            host: srv.target.to_string(),
        },
        (Kind::Naptr, RData::NAPTR(naptr)) => Record::Pointer {
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags)?,
            service: text(&naptr.services)?,
            replacement: naptr.replacement.to_string(),
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use simple_dns::rdata::{A, CNAME, NAPTR, SRV};

    const ID: u16 = 7;
    const NAME: &str = "_sip._udp.carrier.example";

    fn reply(records: Vec<(&'static str, u32, RData<'static>)>) -> Packet<'static> {
        let mut packet = Packet::new_reply(ID);
        let name = Name::new(NAME).expect("a name");
        packet.questions.push(Question::new(name, TYPE::SRV.into(), CLASS::IN.into(), false));
        for (owner, ttl, data) in records {
            let owner = Name::new(owner).expect("a name");
            packet.answers.push(ResourceRecord::new(owner, CLASS::IN, ttl, data));
        }
        packet
    }

    fn read_it(packet: &Packet<'_>, kind: Kind) -> Read {
        read(&packet.build_bytes_vec().expect("it can be written"), (ID, NAME, kind))
    }

    fn srv(port: u16, target: &'static str) -> RData<'static> {
        RData::SRV(SRV { priority: 1, weight: 2, port, target: Name::new_unchecked(target) })
    }

    fn server(port: u16, host: &str) -> Record {
        Record::Server { priority: 1, weight: 2, port, host: host.to_owned() }
    }

    #[test]
    fn an_answer_has_the_records_of_the_name_and_of_its_alias_and_the_shortest_time() {
        let alias = RData::CNAME(CNAME(Name::new_unchecked("other.example")));
        let packet = reply(vec![
            ("_SIP._udp.Carrier.example", 60, alias),
            ("other.example", 30, srv(5060, "a.example")),
            ("other.example", 90, srv(5062, "b.example")),
            ("stranger.example", 1, srv(666, "evil.example")),
        ]);
        let records = vec![server(5060, "a.example"), server(5062, "b.example")];
        let ttl = Some(Duration::from_secs(30));
        assert_eq!(read_it(&packet, Kind::Srv), Read::Answer(Answer { records, ttl }));
        // Nothing of another kind.
        assert_eq!(read_it(&packet, Kind::Naptr), Read::Answer(Answer::default()));
    }

    #[test]
    fn a_pointer_and_an_address_are_read() {
        let text = |s: &'static str| simple_dns::CharacterString::new(s.as_bytes()).expect("short");
        let naptr = NAPTR {
            order: 1,
            preference: 2,
            flags: text("s"),
            services: text("SIP+D2T"),
            regexp: text(""),
            replacement: Name::new_unchecked("_sip._tcp.carrier.example"),
        };
        let Read::Answer(found) = read_it(&reply(vec![(NAME, 5, RData::NAPTR(naptr))]), Kind::Naptr) else {
            panic!("no answer")
        };
        assert_eq!(found.records.len(), 1, "{found:?}");
        let address = RData::A(A { address: 0x7f00_0001 });
        let Read::Answer(found) = read_it(&reply(vec![(NAME, 5, address)]), Kind::A) else {
            panic!("no answer")
        };
        assert_eq!(found.records, vec![Record::Address([127, 0, 0, 1].into())]);
    }

    #[test]
    fn what_is_no_answer_to_the_question_is_not_taken_for_one() {
        let good = reply(vec![(NAME, 5, srv(5060, "a.example"))]);
        let bytes = good.build_bytes_vec().expect("it can be written");
        assert_eq!(read(&bytes, (ID + 1, NAME, Kind::Srv)), Read::Other, "another id");
        assert_eq!(read(&bytes, (ID, "_sip._udp.other.example", Kind::Srv)), Read::Other, "another name");
        let mut query = bytes.clone();
        query[2] &= 0x7f;
        assert_eq!(read(&query, (ID, NAME, Kind::Srv)), Read::Other, "a question");
        let mut many = bytes.clone();
        many[6] = 0xff;
        assert_eq!(read(&many, (ID, NAME, Kind::Srv)), Read::Other, "more records than there can be");
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length], (ID, NAME, Kind::Srv)), Read::Other, "cut at {length}");
        }
        for at in 0..bytes.len() {
            for value in [0, 0x3f, 0xc0, 0xff] {
                let mut bent = bytes.clone();
                bent[at] = value;
                // Whatever comes of it, it comes.
                let _ = read(&bent, (ID, NAME, Kind::Srv));
            }
        }
    }

    #[test]
    fn a_resolver_that_cannot_say_is_passed_over_and_no_such_name_is_an_answer() {
        let mut packet = reply(Vec::new());
        *packet.rcode_mut() = RCODE::ServerFailure;
        assert_eq!(read_it(&packet, Kind::Srv), Read::Refused);
        *packet.rcode_mut() = RCODE::NameError;
        assert_eq!(read_it(&packet, Kind::Srv), Read::Answer(Answer::default()));
        packet.set_flags(PacketFlag::TRUNCATION);
        assert_eq!(read_it(&packet, Kind::Srv), Read::Truncated);
    }

    #[test]
    fn the_systems_resolvers_are_read() {
        let text = "# a comment\nsearch example\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver nonsense\n";
        let expected: Vec<SocketAddr> =
            ["192.0.2.1:53", "[fe80::1]:53"].map(|a| a.parse().expect("one")).into();
        assert_eq!(of_system(text), expected);
    }
}
