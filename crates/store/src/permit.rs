//! Whether a number may be called: what every driver asks its books, in the same order.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

/// Dials and abandoned calls are remembered this long.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(engine::compliance::PERIOD_MAX_H as u64 * 3600);
/// The zones of leads that were added under other settings: nobody knows.
pub(crate) const ANY_ZONES: &str = "*";

/// What a company has noted of numbers, by key.
pub(crate) trait Books {
    /// Whether the list holds just this number.
    fn lists(&self, list: Option<CampaignId>, key: &str) -> Result<bool>;
    /// The last prefix of the list that does not come after `key`.
    fn prefix_before(&self, list: Option<CampaignId>, key: &str) -> Result<Option<String>>;
    /// The latest calls, latest first, at most `limit`.
    fn dials(&self, key: &str, limit: usize) -> Result<Vec<Timestamp>>;
    fn last_abandoned(&self, key: &str) -> Result<Option<Timestamp>>;
}

/// Judges the numbers of one transaction.
pub(crate) struct Judge<'a, B> {
    pub rules: &'a Rules,
    pub books: B,
    /// None: a call by hand.
    pub campaign: Option<CampaignId>,
    now: Timestamp,
    /// What the hours said of each place.
    hours: BTreeMap<String, Permit>,
}

impl<'a, B: Books> Judge<'a, B> {
    pub fn new(rules: &'a Rules, books: B, campaign: Option<CampaignId>, now: Timestamp) -> Judge<'a, B> {
        Judge { rules, books, campaign, now, hours: BTreeMap::new() }
    }

    /// The list that forbids the number.
    pub fn on_dnc(&self, key: &str) -> Result<Option<Rule>> {
        let campaigns = self.campaign.map(|c| (Some(c), Rule::DncCampaign));
        for (list, rule) in [(None, Rule::DncCompany)].into_iter().chain(campaigns) {
            if self.books.lists(list, key)? || self.is_covered(list, key)? {
                return Ok(Some(rule));
            }
        }
        Ok(None)
    }

    /// Whether the number begins with a prefix of the list. Whatever lies between a prefix and the number begins with the
    /// prefix too, so each step back leaves only what both have in common.
    fn is_covered(&self, list: Option<CampaignId>, key: &str) -> Result<bool> {
        let mut start = key;
        while let Some(found) = self.books.prefix_before(list, start)? {
            if key.starts_with(&found) {
                return Ok(true);
            }
            let common = key.bytes().zip(found.bytes()).take_while(|(a, b)| a == b).count();
            start = &key[..common];
        }
        Ok(false)
    }

    /// `zone`: the lead's own, empty when none is given.
    pub fn permit(&mut self, number: &PhoneNumber, key: &str, zone: &str) -> Result<Permit> {
        if let Some(rule) = self.on_dnc(key)? {
            return Ok(Permit::Refused(rule));
        }
        let mut permit = self.in_hours(number, zone);
        let wanted = self.rules.dials_wanted();
        if wanted > 0 {
            permit = stricter(permit, self.rules.within_caps(self.now, &self.books.dials(key, wanted)?));
        }
        if self.campaign.is_some() && self.rules.has_lockout() {
            let last = self.books.last_abandoned(key)?;
            permit = stricter(permit, self.rules.after_abandoned(self.now, last));
        }
        Ok(permit)
    }

    fn in_hours(&mut self, number: &PhoneNumber, zone: &str) -> Permit {
        if !self.rules.has_hours() {
            return Permit::Allowed;
        }
        let Some(zones) = self.rules.zones(number, zone) else { return Permit::Refused(Rule::Zone) };
        if let Some(known) = self.hours.get(&*zones) {
            return *known;
        }
        let permit = self.rules.in_hours_of(self.now, &zones);
        self.hours.insert(zones.into_owned(), permit);
        permit
    }
}

/// The later of two waits; what is refused stays so.
fn stricter(a: Permit, b: Permit) -> Permit {
    match (a, b) {
        (Permit::Refused(_), _) | (_, Permit::Allowed) => a,
        (_, Permit::Refused(_)) | (Permit::Allowed, _) => b,
        (Permit::Wait { until: first, .. }, Permit::Wait { until: second, .. }) => {
            if second > first {
                b
            } else {
                a
            }
        }
    }
}

/// A wait beyond the lead's own deadline is a refusal.
pub(crate) fn within(permit: Permit, not_after: Option<Timestamp>) -> Permit {
    match permit {
        Permit::Wait { rule, until } if not_after.is_some_and(|end| end < until) => Permit::Refused(rule),
        _ => permit,
    }
}

/// Where a lead may be, as `campaign_zones` has it.
pub(crate) fn zones_of(rules: &Rules, lead: &NewLead) -> String {
    rules
        .zones(&lead.number, &lead.time_zone)
        .map_or_else(|| ANY_ZONES.to_owned(), |zones| zones.into_owned())
}

/// When the first of these places opens, at or after `from`. None: perhaps at once, which only the leads can tell.
pub(crate) fn first_opening(
    rules: &Rules,
    from: Timestamp,
    zones: impl IntoIterator<Item = impl AsRef<str>>,
) -> Option<Timestamp> {
    let mut first: Option<Timestamp> = None;
    for place in zones {
        if place.as_ref() == ANY_ZONES {
            return None;
        }
        let opens = rules.opening(from, place.as_ref()).filter(|at| *at > from)?;
        first = Some(first.map_or(opens, |f| f.min(opens)));
    }
    first
}

/// The supply, when leads are called in these places only.
pub(crate) fn supply_in_hours(
    rules: &Rules,
    now: Timestamp,
    supply: Supply,
    zones: impl IntoIterator<Item = impl AsRef<str>>,
) -> Supply {
    let from = match supply {
        _ if !rules.has_hours() => return supply,
        Supply::Exhausted => return supply,
        Supply::Available => now,
        Supply::Due(at) => at.max(now),
    };
    first_opening(rules, from, zones).map_or(supply, Supply::Due)
}
