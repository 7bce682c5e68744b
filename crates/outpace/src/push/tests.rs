//! Goal: a receiver that is down for an hour loses nothing and gets each call's story in order; told by real HTTP from a
//! real database, on a clock on which an hour takes ten seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;

use engine::{CallId, CallTags, Cause, DirectKind, DirectRecord, HangupBy, NewDirect, Outcome, PhoneNumber};
use store::{LegState, LegStatus, NewCompany, NewExtension, Side, SqliteStore};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const SPEED: u32 = 360;
const MINUTE: Duration = Duration::from_secs(60);
const STORY: [&str; 7] =
    ["true ring", "true answer", "false ring", "false answer", "false hangup", "true hangup", "bill"];

/// How a receiver fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mood {
    Up,
    HangsUp,
    Refuses,
}

#[derive(Clone)]
struct Push {
    event: String,
    body: serde_json::Value,
    taken: bool,
}

/// A company's receiver over HTTP; notes what comes.
struct Receiver {
    address: SocketAddr,
    mood: watch::Sender<Mood>,
    pushes: Arc<Mutex<Vec<Push>>>,
}

impl Receiver {
    async fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (mood, moods) = watch::channel(Mood::Up);
        let pushes = Arc::<Mutex<Vec<Push>>>::default();
        let noted = pushes.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, moods.clone(), noted.clone()));
            }
        });
        Receiver { address, mood, pushes }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn pushes(&self) -> Vec<Push> {
        self.pushes.lock().expect("no panic").clone()
    }

    /// Each event once, when it was taken first.
    fn taken(&self) -> Vec<Push> {
        let mut seen = BTreeSet::new();
        self.pushes().into_iter().filter(|p| p.taken && seen.insert(p.event.clone())).collect()
    }

    async fn wait_for(&self, events: usize) {
        let end = tokio::time::Instant::now() + MINUTE;
        while self.taken().len() < events {
            let had = self.taken().len();
            assert!(tokio::time::Instant::now() < end, "{had} of {events} events came");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn serve(stream: TcpStream, moods: watch::Receiver<Mood>, pushes: Arc<Mutex<Vec<Push>>>) {
    let mut stream = BufReader::new(stream);
    while let Some((event, body)) = read(&mut stream).await {
        let mood = *moods.borrow();
        let body = serde_json::from_slice(&body).expect("JSON");
        pushes.lock().expect("no panic").push(Push { event, body, taken: mood == Mood::Up });
        let answer: &[u8] = match mood {
            Mood::Up => b"HTTP/1.1 204 X\r\n\r\n",
            Mood::Refuses => b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n",
            Mood::HangsUp => return,
        };
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

/// A request's event id and body.
async fn read(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let (mut event, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some(("x-outpace-event", id)) => id.clone_into(&mut event),
            Some(("content-length", text)) => length = text.parse().ok()?,
            None if line == "\r\n" => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((event, body))
}

struct Scene {
    store: Arc<dyn Store>,
    agent: engine::AgentId,
    company: CompanyId,
    clock: Clock,
    folder: std::path::PathBuf,
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Scene {
    fn open(receiver: &Receiver, clock: Clock) -> Scene {
        let folder = std::env::temp_dir().join(format!("outpace-pushes-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let store = SqliteStore::open(&folder.join("outpace.db")).expect("a new database");
        let company = store.put_company(&NewCompany {
            code: "1".to_owned(),
            name: String::new(),
            time_zone: "Asia/Shanghai".to_owned(),
            language: "zh".to_owned(),
            int_codes: false,
            licensed_until: None,
            allow_from: Vec::new(),
        });
        let company = company.expect("stored").id;
        let extension =
            NewExtension { company, number: "1001".to_owned(), password: "secret".to_owned(), enabled: true };
        let agent = store.put_extension(&extension).expect("stored").id;
        let settings = PushSettings {
            company,
            task_status_url: String::new(),
            extension_state_url: receiver.url("/state"),
            bill_url: receiver.url("/bill"),
            detail_form: false,
            secret: "secret".to_owned(),
            allow_private: true,
        };
        store.put_pushes(&settings).expect("stored");
        Scene { store: Arc::new(store), agent, company, clock, folder }
    }

    /// A call from its first ring to its bill.
    fn call(&self, n: u32) {
        let (call, now) = (CallId::from_parts(u64::from(n), 7), self.clock.wall());
        let row = NewDirect {
            call,
            kind: DirectKind::Click,
            agent: Some(self.agent),
            number: PhoneNumber::parse(&format!("1380000{n:04}")).expect("a number"),
            caller_id: String::new(),
            tags: CallTags::default(),
            dialed_at: now,
        };
        self.store.open_direct(self.company, &row).expect("stored");
        let states = [
            (Side::Customer, LegStatus::Ring),
            (Side::Customer, LegStatus::Answer),
            (Side::Agent, LegStatus::Ring),
            (Side::Agent, LegStatus::Answer),
            (Side::Agent, LegStatus::Hangup),
            (Side::Customer, LegStatus::Hangup),
        ];
        let states = states.map(|(side, status)| LegState { call, agent: Some(self.agent), side, status });
        self.store.put_leg_states(now, &states).expect("stored");
        let record = DirectRecord {
            call,
            agent: Some(self.agent),
            trunk: None,
            ringing_at: Some(now),
            answered_at: Some(now),
            bridged_at: Some(now),
            ended_at: now,
            outcome: Outcome::Connected,
            cause: Cause::NORMAL,
            hangup_by: HangupBy::Customer,
            sip_status: 200,
            keys: String::new(),
        };
        self.store.finish_direct(now, &record).expect("stored");
    }

    async fn pass(&self, time: Duration) {
        self.clock.sleep(time).await;
    }
}

fn word(push: &Push) -> String {
    match push.body["isbleg"].as_str() {
        Some(side) => format!("{side} {}", push.body["status"].as_str().expect("a status")),
        None => "bill".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_was_down_for_an_hour_gets_everything_once_and_each_call_in_order() {
    let receiver = Receiver::start().await;
    let clock = Clock::with_speed(SPEED);
    let scene = Scene::open(&receiver, clock);
    let (pushes, _states, wake) = start_with(scene.store.clone(), clock).await.expect("started");
    (0..5).for_each(|n| scene.call(n));
    wake.wake();
    receiver.wait_for(5 * 7).await;
    // Down: first nobody is at home, then a proxy says so.
    receiver.mood.send_replace(Mood::HangsUp);
    let (before, down_at) = (receiver.pushes().len(), clock.mono());
    for n in 5..65 {
        scene.call(n);
        wake.wake();
        scene.pass(MINUTE).await;
        if n == 35 {
            receiver.mood.send_replace(Mood::Refuses);
        }
    }
    let hours = (clock.mono() - down_at).as_secs_f64() / 3600.0;
    assert!(hours >= 1.0, "{hours}");
    let attempts = receiver.pushes().len() - before;
    assert_eq!(receiver.taken().len(), 5 * 7, "nothing was taken meanwhile");
    assert!(attempts >= 20, "it was tried again and again: {attempts}");
    let most = (hours * 60.0) as usize * 2 + 40;
    assert!(attempts < most, "{attempts} attempts for two URLs in {hours} h: one that is down is spared");
    receiver.mood.send_replace(Mood::Up);
    let up_at = clock.mono();
    receiver.wait_for(65 * 7).await;
    println!("{attempts} attempts in {hours:.2} h; all told {:?} after", clock.mono() - up_at);
    check(&receiver, 65);
    drop(pushes);
    let far = clock.wall().plus(Duration::from_secs(86_400));
    for kind in PushKind::ALL {
        let left = scene.store.due_events(far, scene.company, kind, 100).expect("readable");
        assert!(left.is_empty(), "{left:?}");
    }
    assert!(
        scene.store.dead_events(scene.company, 100).expect("readable").is_empty(),
        "nothing was given up"
    );
}

/// Every call's story, whole and in order; what came twice was the same event with the same body.
fn check(receiver: &Receiver, calls: usize) {
    let mut stories = BTreeMap::<String, Vec<String>>::new();
    for push in receiver.taken() {
        stories.entry(push.body["uuid"].as_str().expect("a uuid").to_owned()).or_default().push(word(&push));
    }
    assert_eq!(stories.len(), calls);
    for (call, story) in stories {
        assert_eq!(story, STORY, "{call}");
    }
    let mut bodies = BTreeMap::new();
    for push in receiver.pushes() {
        let first = bodies.entry(push.event).or_insert_with(|| push.body.clone());
        assert_eq!(*first, push.body, "an event is the same whenever it is told");
    }
    assert_eq!(bodies.len(), calls * STORY.len(), "each event has an id of its own");
}
