//! What is heard in a call, and what is written down of it.

use std::time::Duration;

use serde_json::Value;

use super::crm::Crm;
use super::floor::{AGENT_HZ, CUSTOMER_HZ};
use super::peer::{Peer, Seen, What};
use super::rtp::{Packet, samples, tone_share};
use super::wait_for;

const LIMIT: Duration = Duration::from_secs(30);

/// Waits until there are so many bills.
pub fn wait_bills(crm: &Crm, count: usize) -> Vec<Value> {
    wait_for("bills", LIMIT, || {
        let parameters = [("starttime", "2020-01-01"), ("endtime", "2099-01-01"), ("syncflag", "3")];
        let answer = crm.call("App.Sip_Cdr.GetBill", &parameters);
        let bills = answer.result()["bills"].as_array()?.clone();
        (bills.len() >= count).then_some(bills)
    })
}

pub fn first(seen: Vec<Seen>) -> Seen {
    seen.into_iter().next().expect("it was seen")
}

/// Share of the tone in what came before / from this moment on.
pub fn heard(packets: &[Packet], hz: f64, is_meant: impl Fn(&Packet) -> bool) -> f64 {
    let meant: Vec<Packet> = packets.iter().filter(|p| is_meant(p)).cloned().collect();
    tone_share(&samples(&meant), hz)
}

/// Waits until the peer hears this tone in the call, in what comes from now on.
pub fn wait_heard(peer: &Peer, call_id: &str, hz: f64) {
    let from = peer.packets(call_id).len();
    wait_for(&format!("{hz} Hz"), LIMIT, || {
        let packets = peer.packets(call_id);
        (heard(&packets[from..], hz, |_| true) > 0.5).then_some(())
    });
}

pub fn status_of(crm: &Crm, extension: &str) -> Value {
    let answer = crm.call("App.Sip_Status.GetSipCallStatus", &[("extnumber", extension)]);
    answer.result()[0]["status"].clone()
}

/// 1001 asks for a call of the number by command, and both hear each other: the legs of the customer and of the agent.
pub fn talk(crm: &Crm, carrier: &Peer, agents: &Peer, number: &str) -> (String, String) {
    let call = [("extnumber", "1001"), ("destnumber", number)];
    assert!(crm.call("App.Sip_Call.MakeCall", &call).is_success());
    let customer = first(carrier.wait(What::Confirmed, 1, LIMIT)).call_id;
    let agent = first(agents.wait(What::Confirmed, 1, LIMIT)).call_id;
    wait_heard(carrier, &customer, AGENT_HZ);
    wait_heard(agents, &agent, CUSTOMER_HZ);
    (customer, agent)
}
