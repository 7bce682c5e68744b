//! Waits until any of the sockets has something to read.
//!
//! Edge-triggered: a socket is told of when something comes, and not again before something more does. The kernel would
//! otherwise look at each socket a second time, to find that the packet has been read.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;

/// Sockets told of at once; the others have their turn next.
pub(super) const READY_MAX: usize = 256;
/// What the alarm has in place of a number.
const ALARM: u64 = u64::MAX;

pub(super) struct Watch {
    epoll: OwnedFd,
    alarm: Alarm,
}

/// What a wait has found. It stays on the thread that waits.
pub(super) struct Ready {
    events: Vec<Event>,
    pub(super) slots: Vec<usize>,
}

impl Ready {
    pub(super) fn new() -> Ready {
        Ready { events: Vec::with_capacity(READY_MAX), slots: Vec::with_capacity(READY_MAX) }
    }
}

/// Wakes the thread that waits.
#[derive(Clone)]
pub(super) struct Alarm(Arc<Bell>);

struct Bell {
    event: OwnedFd,
    /// Rung and not silenced: no need to ring again. A system call is saved, and most commands come in groups.
    rings: AtomicBool,
}

impl Watch {
    pub(super) fn new() -> io::Result<Watch> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let alarm = Alarm(Arc::new(Bell { event, rings: AtomicBool::new(false) }));
        epoll::add(&epoll, &alarm.0.event, EventData::new_u64(ALARM), EventFlags::IN)?;
        Ok(Watch { epoll, alarm })
    }

    pub(super) fn alarm(&self) -> Alarm {
        self.alarm.clone()
    }

    /// `slot` is told when something comes that can be read, or an error.
    pub(super) fn add(&self, socket: impl AsFd, slot: usize) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(slot as u64), EventFlags::IN | EventFlags::ET)?)
    }

    /// Adds the slots that are ready to `ready`, none when `patience` ends first or the alarm rang. `None`: waits for
    /// as long as it takes.
    pub(super) fn wait(&self, ready: &mut Ready, patience: Option<Duration>) -> io::Result<()> {
        ready.events.clear();
        // Rounded up to a millisecond by the kernel. A patience beyond what it takes is as good as none.
        let patience = patience.and_then(|patience| Timespec::try_from(patience).ok());
        match epoll::wait(&self.epoll, spare_capacity(&mut ready.events), patience.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let kept = ready.slots.len();
        for event in &ready.events {
            match event.data.u64() {
                ALARM => self.alarm.silence(),
                slot => ready.slots.push(slot as usize),
            }
        }
        if kept > 0 {
            // One that was kept may be told of again, and has no more turns than the others.
            ready.slots.sort_unstable();
            ready.slots.dedup();
        }
        Ok(())
    }
}

impl Alarm {
    /// What was done before is seen after the wait that this ends.
    pub(super) fn ring(&self) -> io::Result<()> {
        if self.0.rings.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        match rustix::io::write(&self.0.event, &1u64.to_ne_bytes()) {
            Ok(_) | Err(Errno::AGAIN) => Ok(()),
            Err(error) => {
                self.0.rings.store(false, Ordering::Release);
                Err(error.into())
            }
        }
    }

    fn silence(&self) {
        // Whether it rang is known; how often is no matter.
        let _ = rustix::io::read(&self.0.event, &mut [0; 8]);
        // From here on it can be rung again. What was sent before is still to be looked for, and will be.
        self.0.rings.swap(false, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, UdpSocket};

    const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));

    #[test]
    fn a_socket_is_told_of_when_something_comes_and_not_after_it_is_closed() {
        let watch = Watch::new().expect("epoll");
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        watch.add(&socket, 7).expect("watched");
        let address = socket.local_addr().expect("bound");
        let mut ready = Ready::new();
        for _ in 0..2 {
            socket.send_to(b"x", address).expect("sent");
            watch.wait(&mut ready, PATIENCE).expect("waited");
            assert_eq!(ready.slots, [7], "also when it is kept");
        }
        ready.slots.clear();
        watch.wait(&mut ready, Some(Duration::ZERO)).expect("waited");
        assert!(ready.slots.is_empty(), "nothing more has come");
        socket.send_to(b"x", address).expect("sent");
        drop(socket);
        watch.wait(&mut ready, Some(Duration::ZERO)).expect("waited");
        assert!(ready.slots.is_empty());
    }

    #[test]
    fn the_alarm_ends_one_wait() {
        let watch = Watch::new().expect("epoll");
        let alarm = watch.alarm();
        alarm.ring().expect("rung");
        alarm.ring().expect("rung");
        let mut ready = Ready::new();
        watch.wait(&mut ready, None).expect("waited");
        assert!(ready.slots.is_empty());
        let begun = std::time::Instant::now();
        let short = Duration::from_millis(20);
        watch.wait(&mut ready, Some(short)).expect("waited");
        assert!(begun.elapsed() >= short);
    }
}
