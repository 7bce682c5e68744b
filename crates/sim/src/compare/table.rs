//! The comparison as text and as JSON.

use super::run::{Estimate, Summary};

pub fn head() -> String {
    format!(
        "{:<22} {:<15} {:>15} {:>15} {:>11} {:>11} {:>12} {:>15}",
        "row",
        "pacer",
        "utilisation",
        "abandoned %",
        "worst hour",
        "hours over",
        "shifts over",
        "idle s/call"
    )
}

pub fn line(s: &Summary) -> String {
    let estimate =
        |e: Estimate, by: f64, digits| format!("{:.*} ±{:.*}", digits, e.mean * by, digits, e.margin * by);
    format!(
        "{:<22} {:<15} {:>15} {:>15} {:>10.2}% {:>11} {:>12} {:>15}",
        s.row,
        s.pacer,
        estimate(s.utilisation, 1.0, 4),
        estimate(s.abandoned, 100.0, 2),
        s.worst_hour * 100.0,
        format!("{}/{}", s.hours_over, s.seeds),
        format!("{}/{}", s.shifts_over, s.seeds),
        estimate(s.idle_per_call, 1.0, 1)
    )
}

/// An array of objects; shares are 0 to 1, margins are half 95 % confidence intervals.
pub fn json(results: &[Summary]) -> String {
    let object = |s: &Summary| {
        format!(
            "  {{\"row\": \"{}\", \"pacer\": \"{}\", \"seeds\": {}, \"utilisation\": {:.5}, \
             \"utilisation_margin\": {:.5}, \"abandoned\": {:.5}, \"abandoned_margin\": {:.5}, \
             \"worst_hour\": {:.5}, \"worst_true_hour\": {:.5}, \"shifts_with_hour_over\": {}, \"shifts_over\": {}, \
             \"idle_seconds_per_call\": {:.2}, \"idle_seconds_per_call_margin\": {:.2}, \
             \"calls_per_shift\": {:.0}, \"calls_per_connected\": {:.3}, \"persons_hung_up_on\": {:.5}, \"least_served\": {:.3}}}",
            s.row.replace(['"', '\\'], "'"),
            s.pacer,
            s.seeds,
            s.utilisation.mean,
            s.utilisation.margin,
            s.abandoned.mean,
            s.abandoned.margin,
            s.worst_hour,
            s.worst_true_hour,
            s.hours_over,
            s.shifts_over,
            s.idle_per_call.mean,
            s.idle_per_call.margin,
            s.calls_per_shift,
            s.calls_per_connected,
            s.hung_up_on,
            s.least_served
        )
    };
    format!("[\n{}\n]", results.iter().map(object).collect::<Vec<_>>().join(",\n"))
}
