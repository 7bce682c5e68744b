//! How the legs of calls sounded, as the API shows it.

use serde_json::{Value, json};
use store::{CallQuality, LegQuality};

use super::schema::{Schema, count, field, number, object};

/// Longer than any network's.
const MS_MAX: f64 = 3_600_000.0;

pub fn schema() -> Schema {
    let leg = || leg_schema().nullable();
    object(
        "CallQuality",
        vec![
            field("customer", leg(), "Null: no sound went over this leg, or it is not measured yet."),
            field("agent", leg(), "Of the agent who had the call last."),
        ],
    )
}

fn leg_schema() -> Schema {
    let (mos, ms) = (|| number(1.0, 4.5).nullable(), || number(0.0, MS_MAX).nullable());
    object(
        "LegQuality",
        vec![
            field("mos_in", mos(), "Estimated mean opinion score of what came from the telephone, 1 to 4.5."),
            field("packets_in", count(), ""),
            field("lost_in", count(), ""),
            field("duplicates_in", count(), ""),
            field("jitter_in_ms", ms(), "Mean interarrival jitter (RFC 3550)."),
            field("mos_out", mos(), "Of what went to the telephone; null: it sent no reports (RTCP)."),
            field("packets_out", count(), ""),
            field("lost_out", count().nullable(), "As the telephone reported it."),
            field("jitter_out_ms", ms(), ""),
            field("round_trip_ms", ms(), "Mean, between server and telephone."),
        ],
    )
}

pub fn shown(quality: &CallQuality) -> Value {
    json!({
        "customer": quality.customer.map(|leg| shown_leg(&leg)),
        "agent": quality.agent.map(|leg| shown_leg(&leg)),
    })
}

fn shown_leg(leg: &LegQuality) -> Value {
    // An hour at most, so that nothing is lost by the conversion.
    let ms = |us: u64| (us.min(3_600_000_000) as f64) / 1000.0;
    let mos = |mos: u16| f64::from(mos) / 100.0;
    json!({
        "mos_in": leg.mos_in.map(mos),
        "packets_in": leg.packets_in,
        "lost_in": leg.lost_in,
        "duplicates_in": leg.duplicates_in,
        "jitter_in_ms": ms(leg.jitter_in_us),
        "mos_out": leg.mos_out.map(mos),
        "packets_out": leg.packets_out,
        "lost_out": leg.lost_out,
        "jitter_out_ms": leg.jitter_out_us.map(ms),
        "round_trip_ms": leg.round_trip_us.map(ms),
    })
}
