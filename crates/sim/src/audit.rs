//! The books at the end of the day.

use std::collections::BTreeMap;

use engine::{CampaignId, LeadId, Outcome};
use store::{Page, Store};

use crate::world::World;

impl World {
    pub fn audit(&mut self) {
        assert!(self.referee.lines.is_empty(), "every call has ended");
        assert!(self.referee.seated.is_empty(), "every agent is free");
        let mut leads = 0;
        for id in self.pacing.keys().copied() {
            leads += self.audit_leads(id);
            self.audit_calls(id);
        }
        assert_eq!(leads, self.leads, "no lead vanished, none came from nowhere");
        for call in &self.referee.dialed {
            let known = self.referee.saved.contains(call) || self.referee.lost.contains(call);
            assert!(known, "every call that was dialed has its result");
        }
    }

    fn audit_leads(&self, id: CampaignId) -> u64 {
        let (total, leads) =
            self.store.list_leads(id, Page { offset: 0, limit: 10_000 }).expect("a working store");
        if !self.cut_short.contains(&id) {
            let open = leads.iter().find(|l| l.result.is_none() && l.mark.is_empty());
            assert!(open.is_none(), "every lead has a result or is too old: {open:?}");
        }
        total
    }

    fn audit_calls(&self, id: CampaignId) {
        let attempts_max = self.store.campaign_by_id(id).expect("a working store").expect("a campaign stays");
        let attempts_max = attempts_max.settings.attempts_max * (1 + self.recalls);
        let mut calls: BTreeMap<LeadId, u32> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.store.list_calls(id, after, 1000).expect("a working store");
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for call in page {
                *calls.entry(call.lead).or_default() += 1;
                let record = call.record.expect("every call row has its result");
                let dialed = self.referee.dialed.contains(&call.id);
                assert!(
                    dialed || record.outcome == Outcome::Lost,
                    "a row without a call is of a process that died"
                );
                let is_ours = self.referee.records.get(&call.id) == Some(&record);
                assert!(is_ours || record.outcome == Outcome::Lost, "the row says what the engine said");
                assert_eq!(record.outcome == Outcome::Lost, !is_ours, "lost is what died with its process");
            }
        }
        for (lead, calls) in calls {
            assert!(calls <= attempts_max, "lead {lead} was called {calls} times of {attempts_max}");
        }
    }
}
