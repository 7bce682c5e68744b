//! RTCP of all legs: read, sent when it is due, and what was learned told to who asks.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use super::MediaThread;
use crate::relay::leg::{CONTROL_MAX, Leg};
use crate::relay::ports;
use crate::relay::reports::Apart;
use crate::relay::timers::{Due, Timer};
use crate::relay::{LegId, LegMedia, RelayEvent};
use crate::rtcp::REPORT_MAX;

/// In the number by which the watch tells of a socket: it is the one for RTCP.
pub(super) const APART: usize = 1 << (usize::BITS - 2);
/// With more legs than this, new ones do without a socket for RTCP: open files are for sound first.
const LEGS_WITH_APART_MAX: usize = 4000;

impl<F: Fn(RelayEvent)> MediaThread<F> {
    /// At the first configuration of a leg, and when RTCP gets a port of its own.
    pub(super) fn set_up_reports(&mut self, slot: usize, media: &LegMedia, first: bool, now: Instant) {
        let serial = self.timers.serial();
        let is_full = self.ids.len() > LEGS_WITH_APART_MAX;
        let Some(leg) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        if first {
            leg.reports.serial = serial;
            let at = now + leg.reports.first_interval();
            self.timers.set(Timer { at, serial, slot, due: Due::Report });
        }
        if media.rtcp.is_none() || leg.reports.apart.is_some() || is_full {
            return;
        }
        // Ports of RTP are even, so that this one is nobody else's.
        let bound = leg.socket.local_addr().and_then(|local| ports::bind(local.ip(), leg.port | 1));
        match bound.and_then(|socket| self.watch.add(&socket, slot | APART).map(|()| socket)) {
            Ok(socket) => leg.reports.apart = Some(Apart { socket, source: None }),
            Err(error) => tracing::debug!(leg = leg.id.0, %error, "no port for RTCP; the leg does without"),
        }
    }

    pub(super) fn report(&mut self, timer: Timer, now: Instant) {
        let Some(leg) = self.leg(timer.slot).filter(|leg| leg.reports.serial == timer.serial) else { return };
        let mut report = [0; REPORT_MAX];
        if let Some(len) = leg.reports.write(&mut leg.incoming, &leg.outgoing, now, &mut report) {
            let mut packet = [0; CONTROL_MAX];
            packet[..len].copy_from_slice(&report[..len]);
            leg.send_control(&mut packet, len);
        }
        let at = now + leg.reports.interval();
        self.timers.set(Timer { at, ..timer });
    }

    /// Reads one packet of a socket for RTCP alone, if there is one. Whether there may be more.
    pub(super) fn read_apart(&mut self, slot: usize, now: Instant) -> bool {
        let Some(leg) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return false };
        let Some(apart) = &mut leg.reports.apart else { return false };
        let (len, source) = match apart.socket.recv_from(&mut self.datagram) {
            Ok(read) => read,
            // Nothing to read, or an ICMP error: it is told once, and the socket goes on.
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        };
        if self.control(slot, len, source, true, now)
            && let Some(apart) = self.leg(slot).and_then(|leg| leg.reports.apart.as_mut())
        {
            apart.source = Some(source);
        }
        true
    }

    /// Whether the datagram is RTCP of this leg; then it was read.
    pub(super) fn control(
        &mut self,
        slot: usize,
        len: usize,
        source: SocketAddr,
        is_apart: bool,
        now: Instant,
    ) -> bool {
        let Some(leg) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return false };
        let ours = leg.outgoing.ssrc();
        leg.accepts_control(source, is_apart)
            && leg
                .open_packet(&mut self.datagram[..len])
                .is_some_and(|len| leg.reports.read(&self.datagram[..len], ours, now))
    }

    pub(super) fn measure(&mut self, id: LegId, about: u64) {
        let leg = self.slot(id).and_then(|slot| self.leg(slot));
        let quality = leg.map(Leg::take_quality).unwrap_or_default();
        self.emit(RelayEvent::Measured { leg: id, about, quality });
    }
}
