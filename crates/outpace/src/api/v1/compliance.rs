//! What the company has to keep: when and how often numbers may be called, and how long what is known of them is kept.

use engine::compliance::{ComplianceSettings, Holidays, Profile};
use serde_json::{Value, json};
use store::Scope;

use super::problem::Problem;
use super::route::{Route, run};
use super::schema::{
    Field, Form, Schema, field, formed, integer, line, list, number, object, optional, word,
};
use super::visit::{Answer, Fields, Visit};
use crate::config::{CapConfig, ComplianceConfig, check_compliance};
use crate::handle::Command;

const PROFILES: &[&str] = &["custom", "cn", "us", "uk"];
const HOLIDAYS_ARE: &[&str] = &["closed", "sunday"];
const ABANDON_WINDOWS: &[&str] = &["hour", "day", "24h", "30d"];
const WINDOWS_MAX: usize = 50;
const HOLIDAYS_MAX: usize = 1000;
/// A hundred years.
const DAYS_MAX: i64 = 36_500;

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/compliance", "getCompliance", run!(get))
            .about("What the company has to keep.")
            .answers(200, object("Compliance", fields(field, "Cap"))),
        Route::patch("/v1/compliance", "changeCompliance", run!(change))
            .about(
                "Changes what is given and keeps the rest; a profile replaces all but the times to keep. It holds from the \
                 next call on.",
            )
            .needs_scope(Scope::Admin)
            .body(object("CompliancePatch", fields(optional, "NewCap")))
            .answers(200, object("Compliance", fields(field, "Cap"))),
    ]
}

/// Of what is shown and of what is given: they differ in what must be there.
fn fields(make: fn(&'static str, Schema, &'static str) -> Field, cap: &'static str) -> Vec<Field> {
    let cap =
        object(cap, vec![field("calls", integer(1, 1_000_000), ""), field("hours", integer(1, 744), "")]);
    let days = |name, about| make(name, integer(0, DAYS_MAX), about);
    vec![
        make("profile", word(PROFILES), "A set of defaults."),
        make(
            "country",
            formed(0, 3, Form::Digits),
            "Calling code of numbers written without one; empty: that of the company's time zone.",
        ),
        make(
            "windows",
            list(line(1, 1000), 0, WINDOWS_MAX),
            "Hours such as `mon-fri 09:00-12:00 14:00-21:00`, by the customer's clock; none: at any time.",
        ),
        make("holidays", list(formed(10, 10, Form::Line), 0, HOLIDAYS_MAX), "Days, yyyy-mm-dd."),
        make("holidays_are", word(HOLIDAYS_ARE), "`sunday`: the hours of a Sunday are kept."),
        make("caps", list(cap, 0, 8), "Calls to one number in so many hours at most."),
        make("lockout_hours", integer(0, 744), "Without an automatic call after an abandoned one; 0: none."),
        make("ring_min_seconds", integer(0, 120), "A ringing customer is not given up before."),
        make(
            "abandon_max_percent",
            number(0.0, 100.0),
            "Abandoned per answered at most, whatever a campaign asks for.",
        ),
        make("abandon_windows", list(word(ABANDON_WINDOWS), 0, 4), "Over which that is counted."),
        days("keep_personal_days", "Leads, calls and bills are deleted after so many days; 0: never."),
        days("keep_recordings_days", "As `keep_personal_days`; 0: as the server's configuration says."),
    ]
}

fn shown(s: &ComplianceSettings) -> Value {
    let caps: Vec<Value> = s.caps.iter().map(|c| json!({"calls": c.calls, "hours": c.hours})).collect();
    json!({
        "profile": s.profile.name(),
        "country": s.country,
        "windows": s.windows,
        "holidays": s.holidays,
        "holidays_are": if s.holidays_are == Holidays::Sunday { "sunday" } else { "closed" },
        "caps": caps,
        "lockout_hours": s.lockout_h,
        "ring_min_seconds": s.ring_min_s,
        "abandon_max_percent": f64::from(s.abandon_max) / 100.0,
        "abandon_windows": s.abandon_windows.iter().map(|w| w.name()).collect::<Vec<_>>(),
        "keep_personal_days": s.keep_personal_days,
        "keep_recordings_days": s.keep_recordings_days,
    })
}

async fn get(visit: Visit) -> Result<Answer, Problem> {
    let company = visit.company();
    let settings = visit.store(move |s| s.compliance(company)).await?;
    Ok(Answer::ok(shown(&settings)))
}

async fn change(visit: Visit) -> Result<Answer, Problem> {
    let company = visit.company();
    let mut known = visit.store(move |s| s.compliance(company)).await?;
    if let Some(profile) = visit.body.text("profile").and_then(Profile::from_name) {
        known = known.with_profile(profile);
    }
    let refused = |e: anyhow::Error| Problem::conflict("rules_refused", format!("{e:#}"));
    let settings = given(&visit.body).laid_over(known).map_err(refused)?;
    check_compliance(&settings, &visit.who().company.settings.time_zone).map_err(refused)?;
    let shown = shown(&settings);
    visit.store(move |s| s.put_compliance(company, &settings)).await?;
    visit.announce(|| Command::Reload).await;
    Ok(Answer::ok(shown))
}

fn given(b: &Fields) -> ComplianceConfig {
    let cap = |v: &Value| {
        let number = |name: &str| v[name].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        CapConfig { calls: number("calls"), hours: number("hours") }
    };
    ComplianceConfig {
        profile: None,
        country: b.text("country").map(str::to_owned),
        windows: b.texts("windows"),
        holidays: b.texts("holidays"),
        holidays_are: b.text("holidays_are").map(str::to_owned),
        caps: b.list("caps").map(|caps| caps.iter().map(cap).collect()),
        lockout_h: b.small("lockout_hours"),
        ring_min_s: b.small("ring_min_seconds"),
        abandon_max_percent: b.number("abandon_max_percent"),
        abandon_windows: b.texts("abandon_windows"),
        keep_personal_days: b.small("keep_personal_days"),
        keep_recordings_days: b.small("keep_recordings_days"),
    }
}
