//! Legs of browsers: ICE and DTLS before the first packet of sound.

use std::net::SocketAddr;

use super::MediaThread;
use crate::ice::{self, IceCredentials};
use crate::relay::dtls::{DtlsPeer, Told};
use crate::relay::leg::Web;
use crate::relay::{LegId, RelayEvent};

impl<F: Fn(RelayEvent)> MediaThread<F> {
    pub(super) fn web(&mut self, id: LegId, ours: IceCredentials, peer: DtlsPeer) {
        let Some(leg) = self.slot(id).and_then(|slot| self.leg(slot)) else { return };
        if leg.web.as_ref().is_none_or(|web| web.ours != ours) {
            leg.web = Some(Box::new(Web { ours, selected: None }));
        }
        self.handshakes.begin(id, peer);
    }

    /// STUN and DTLS that came for a leg, `len` bytes of the datagram.
    pub(super) fn set_up_web(&mut self, slot: usize, len: usize, source: SocketAddr) {
        let datagram = &self.datagram[..len];
        let Some(leg) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        let Some(web) = &mut leg.web else { return };
        if ice::is_stun(datagram) {
            let Some(check) = ice::answer(datagram, &web.ours, source) else {
                leg.stats.packets_refused += 1;
                return;
            };
            if check.is_nominated || web.selected.is_none() {
                web.selected = Some(source);
            }
            leg.send_datagram(&check.response, source);
        } else if web.selected == Some(source) {
            // RFC 7983: neither STUN nor RTP.
            self.handshakes.datagram(leg.id, datagram);
        } else {
            leg.stats.packets_refused += 1;
        }
    }

    pub(super) fn handshake(&mut self, told: Told) {
        let (Told::Send { leg: id, .. } | Told::Keys { leg: id, .. } | Told::Failed { leg: id }) = &told;
        let Some(leg) = self.slot(*id).and_then(|slot| self.leg(slot)) else { return };
        match told {
            Told::Send { datagram, .. } => {
                if let Some(to) = leg.web.as_ref().and_then(|web| web.selected) {
                    leg.send_datagram(&datagram, to);
                }
            }
            Told::Keys { keys, .. } => leg.secure(Some(&keys)),
            Told::Failed { leg } => {
                tracing::warn!(leg = leg.0, "no keys could be agreed with a browser");
                self.emit(RelayEvent::Silent { leg });
            }
        }
    }
}
