//! The carrier and the agents against a bare endpoint that plays the server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use sip::{DialogId, EndedBy, Event, Invite};

use super::agents::{self, AgentsOptions, Behaviour};
use super::audio::{Audio, Line};
use super::carrier::{self, CarrierOptions, End};
use super::driver::Driver;
use super::sdp;
use super::tag::{Speaker, Tag, wall_us};
use super::voice::Voice;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PATIENCE: Duration = Duration::from_secs(20);

fn anywhere() -> SocketAddr {
    SocketAddr::new(LOOPBACK, 0)
}

/// The far side of a test: a bare endpoint with phones of its own.
struct Peer {
    driver: Driver,
    audio: Audio,
}

impl Peer {
    async fn new() -> Peer {
        Peer { driver: Driver::bind(anywhere()).await.unwrap(), audio: Audio::start(LOOPBACK).unwrap() }
    }

    fn call(&mut self, target: SocketAddr, user: &str) -> (DialogId, Line) {
        let line = self.audio.open().unwrap();
        let invite = Invite {
            target: format!("sip:{user}@{target}"),
            flow: self.driver.flow_to(target),
            from_user: "02154321000".into(),
            from_display: String::new(),
            to: String::new(),
            sdp: sdp::offer(line.addr(), 1),
            credentials: None,
            headers: Vec::new(),
        };
        let now = self.driver.now();
        (self.driver.endpoint.invite(now, invite), line)
    }

    async fn next(&mut self) -> Event {
        let driver = &mut self.driver;
        tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(event) = driver.event() {
                    return event;
                }
                driver.wait(None).await.unwrap();
            }
        })
        .await
        .expect("the other side answers in time")
    }

    /// The final status of a call that nobody is to answer, and what came before it.
    async fn refusal(&mut self, target: SocketAddr, number: &str) -> (Vec<u16>, u16) {
        let (_, _line) = self.call(target, number);
        let mut before = Vec::new();
        loop {
            match self.next().await {
                Event::Progress { status, .. } => before.push(status),
                Event::Failed { status, .. } => return (before, status),
                other => panic!("{number}: {other:?}"),
            }
        }
    }

    /// Serves the socket for a while; gives the event that `wanted` picks.
    async fn until<T>(&mut self, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        loop {
            let event = self.next().await;
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }
}

async fn carrier(speed: f64) -> carrier::CarrierHandle {
    let mut options = CarrierOptions { listen: anywhere(), ..CarrierOptions::default() };
    options.times.speed = speed;
    carrier::start(options).await.unwrap()
}

fn agents_options(server: SocketAddr) -> AgentsOptions {
    let behaviour =
        Behaviour { answer_delay: 0.05, talk_mean: 0.5, miss: 0.0, kept_up: false, speed: 1.0, seed: 1 };
    AgentsOptions { server, listen: anywhere(), accounts: agents::numbered(1001, 3, "secret"), behaviour }
}

/// Waits in small steps until it is so; what happens happens on another thread.
async fn eventually(mut so: impl FnMut() -> bool) {
    let wait = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it comes in time");
}

#[tokio::test]
async fn fixed_numbers_fail_as_the_help_says() {
    let carrier = carrier(10.0).await;
    let mut peer = Peer::new().await;
    assert_eq!(peer.refusal(carrier.addr, "99002").await, (vec![], 486));
    assert_eq!(peer.refusal(carrier.addr, "99004").await, (vec![180], 603));
    assert_eq!(peer.refusal(carrier.addr, "99005").await, (vec![], 404));
    assert_eq!(peer.refusal(carrier.addr, "99006").await, (vec![], 503));
    let stats = carrier.stop().await;
    assert_eq!((stats.busy, stats.rejected, stats.invalid, stats.failed), (1, 1, 1, 1));
}

#[tokio::test]
async fn an_unanswered_number_rings_until_it_is_cancelled() {
    let carrier = carrier(10.0).await;
    let mut peer = Peer::new().await;
    let (dialog, _line) = peer.call(carrier.addr, "99003");
    peer.until(|event| matches!(event, Event::Progress { status: 180, .. }).then_some(())).await;
    let now = peer.driver.now();
    peer.driver.endpoint.hang_up(now, dialog);
    let status = peer.until(|event| match event {
        Event::Failed { status, .. } => Some(*status),
        _ => None,
    });
    assert_eq!(status.await, 487);
    eventually(|| carrier.stats().cancelled == 1).await;
    carrier.stop().await;
}

#[tokio::test]
async fn customer_and_caller_hear_each_other_and_the_customer_hangs_up() {
    let carrier = carrier(1.0).await;
    let mut peer = Peer::new().await;
    let (_, line) = peer.call(carrier.addr, "99011");
    let answer = peer.until(|event| match event {
        Event::Answered { sdp, .. } => Some(sdp.clone()),
        _ => None,
    });
    let remote = sdp::read(&answer.await).unwrap();
    let tag = Tag { speaker: Speaker::Agent, id: 1001, since_us: wall_us() };
    line.speak(remote.addr, remote.codec, Voice::Person(1), Some(tag));
    let by = peer.until(|event| match event {
        Event::Ended { by, .. } => Some(*by),
        _ => None,
    });
    assert_eq!(by.await, EndedBy::Remote);
    let heard = line.ear().heard();
    assert_eq!(heard.len(), 1);
    assert_eq!((heard[0].tag.speaker, heard[0].tag.id), (Speaker::Customer, 1));
    eventually(|| carrier.stats().agent_heard == 1).await;
    let call = carrier.calls().remove(0);
    assert_eq!((call.agent_heard, call.end), (Some(1001), End::CustomerHungUp));
    assert!(call.audio_after.unwrap() < Duration::from_millis(500), "{:?}", call.audio_after);
    carrier.stop().await;
}

#[tokio::test]
async fn early_media_is_ring_back_and_names_nobody() {
    let carrier = carrier(1.0).await;
    let mut peer = Peer::new().await;
    let (dialog, line) = peer.call(carrier.addr, "99008");
    let sdp = peer.until(|event| match event {
        Event::Progress { status: 183, sdp, .. } => Some(sdp.clone()),
        _ => None,
    });
    assert!(sdp::read(&sdp.await).is_some());
    eventually(|| line.ear().sound_in() > 5).await;
    assert_eq!(line.ear().heard(), []);
    let now = peer.driver.now();
    peer.driver.endpoint.hang_up(now, dialog);
    peer.until(|event| matches!(event, Event::Failed { status: 487, .. }).then_some(())).await;
    carrier.stop().await;
}

#[tokio::test]
async fn a_customer_who_hears_nothing_hangs_up() {
    let carrier = carrier(20.0).await;
    let mut peer = Peer::new().await;
    let (_, _line) = peer.call(carrier.addr, "99010");
    peer.until(|event| matches!(event, Event::Ended { by: EndedBy::Remote, .. }).then_some(())).await;
    eventually(|| carrier.stats().impatient == 1).await;
    assert_eq!(carrier.stats().silent, 1);
    carrier.stop().await;
}

#[tokio::test]
async fn agents_register_answer_talk_and_hang_up() {
    let mut server = Peer::new().await;
    for (extension, password) in agents::numbered(1001, 3, "secret") {
        server.driver.endpoint.put_account(&extension, &password);
    }
    let agents = agents::start(agents_options(server.driver.addr())).await.unwrap();
    let mut contacts = Vec::new();
    while contacts.len() < 3 {
        contacts.push(
            server
                .until(|event| match event {
                    Event::Bound { account, flow, .. } => Some((account.clone(), flow.peer)),
                    _ => None,
                })
                .await,
        );
    }
    contacts.sort();
    let (extension, phone) = contacts[1].clone();
    let (_, line) = server.call(phone, &extension);
    let answer = server.until(|event| match event {
        Event::Answered { sdp, .. } => Some(sdp.clone()),
        _ => None,
    });
    let remote = sdp::read(&answer.await).unwrap();
    let tag = Tag { speaker: Speaker::Customer, id: 42, since_us: wall_us() };
    line.speak(remote.addr, remote.codec, Voice::Person(0), Some(tag));
    server.until(|event| matches!(event, Event::Ended { by: EndedBy::Remote, .. }).then_some(())).await;
    assert_eq!(line.ear().heard()[0].tag.id, 1002);
    eventually(|| agents.stats().legs_active == 0).await;
    let heard = agents.heard();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].customer, 42);
    let stats = agents.stop().await;
    assert_eq!((stats.legs, stats.answered, stats.customers_heard), (1, 1, 1));
}

#[tokio::test]
async fn a_wrong_password_is_no_registration() {
    let mut server = Peer::new().await;
    server.driver.endpoint.put_account("1001", "another");
    let mut options = agents_options(server.driver.addr());
    options.accounts.truncate(1);
    let agents = agents::start(options).await.unwrap();
    tokio::select! {
        event = server.until(|event| matches!(event, Event::Bound { .. }).then_some(())) => panic!("{event:?}"),
        registered = agents.all_registered(Duration::from_millis(500)) => assert!(!registered),
    }
    agents.stop().await;
}
