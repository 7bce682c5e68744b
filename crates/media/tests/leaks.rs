//! Nothing is left behind: sockets, ports, threads. Alone in its process, because it counts the process's files.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use media::{Codec, LegMedia, Relay, RelayConfig, RelayEvent};

const PATIENCE: Duration = Duration::from_secs(20);

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("Linux").count()
}

fn relay() -> (Relay, Receiver<RelayEvent>) {
    let config = RelayConfig {
        bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
        ports: 31_000..=32_700,
        rtp_timeout: PATIENCE,
        port_rest: Duration::ZERO,
        legs_max: 500,
        recording_frames_max: 100,
        listeners_max: 100,
        key_tones_max: 0,
    };
    let (sender, events) = mpsc::channel();
    let relay =
        Relay::start(config, move |event| sender.send(event).unwrap_or_default()).expect("the relay starts");
    (relay, events)
}

#[test]
fn five_hundred_legs_opened_and_closed_again_and_again_leave_nothing_behind() {
    let at_first = open_files();
    let (relay, events) = relay();
    let idle = open_files();
    for _ in 0..5 {
        let legs: Vec<_> = (0..500).map(|_| relay.open().expect("a free port")).collect();
        assert_eq!((relay.legs(), open_files()), (500, idle + 500));
        for pair in legs.chunks(2) {
            let remote = pair[1].1;
            let media = LegMedia {
                remote,
                codec: Codec::Pcma,
                wide: None,
                dtmf: None,
                rtcp: None,
                send: true,
                receive: true,
            };
            relay.configure(pair[0].0, media);
            relay.bridge(pair[0].0, pair[1].0);
            relay.listen(pair[0].0, media::detect::ListenerConfig::default());
        }
        for (leg, _) in &legs {
            relay.close(*leg);
        }
        for (leg, _) in &legs {
            let event = events.recv_timeout(PATIENCE).expect("closed in time");
            assert!(matches!(event, RelayEvent::Closed { leg: closed, .. } if closed == *leg), "{event:?}");
        }
        assert_eq!((relay.legs(), open_files()), (0, idle));
    }
    relay.open().expect("a free port");
    let second_handle = relay.clone();
    drop(relay);
    second_handle.open().expect("one handle is enough");
    drop(second_handle);
    // The thread drops its sender after its sockets.
    assert_eq!(events.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
    assert_eq!(open_files(), at_first);
}
