//! What every driver decides alike: states of a lead, when it is called again, what a command does to a campaign.

use super::*;

/// Rows of one page at most; a greater `Page::limit` is cut to it.
pub const PAGE_MAX: u32 = 10_000;
/// Entries of the audit trail that one verb deletes at most.
pub(crate) const AUDIT_DELETED_MAX: usize = 1_000;
/// Leads of one lease at most; further slots stay unused.
pub const LEASE_MAX: usize = 1_000;
/// Leads that one lease sets aside at most (past their deadline, refused, or have to wait), so that it stays short.
pub(crate) const ASIDE_PER_LEASE_MAX: usize = 1_000;
/// Registrations kept of one extension; the ones that expire first go.
pub(crate) const REGISTRATIONS_MAX: usize = 16;
/// `due_at` of a lead that waits for its first call of this round. Retries are always later.
pub(crate) const DUE_AT_ONCE: i64 = 0;
pub(crate) const NO_LEAD: StoreError = StoreError::Refused("no number is left");

/// No call that was made up before the time has this id or a greater one.
pub(crate) fn first_call_of(time: Timestamp) -> CallId {
    CallId::from_parts(u64::try_from(time.unix_millis()).unwrap_or(0), 0)
}

// Why something is not deleted.
pub(crate) const STILL_ENABLED_EXTENSION: &str = "the extension is enabled: disable it first";
pub(crate) const NAMED_EXTENSION: &str = "a campaign that has not ended names the extension";
pub(crate) const EXTENSION_OF_USER: &str = "a user is the agent of the extension: change the user first";
pub(crate) const EXTENSION_IN_CALL: &str = "the extension is in a call";
pub(crate) const STILL_ENABLED_TRUNK: &str = "the trunk is enabled: disable it first";
pub(crate) const TRUNK_IN_CALL: &str = "a call goes through the trunk";
pub(crate) const NAMED_CALLER_ID: &str = "a campaign that has not ended names the caller id";

/// Indices of rows that were not stored.
#[derive(Default)]
pub(crate) struct Skipped {
    pub duplicates: Vec<usize>,
    pub on_dnc: Vec<usize>,
}

/// The rules of a new campaign: windows that cannot be read are its maker's mistake.
pub(crate) fn new_rules(rules: Result<Rules>) -> Result<Rules> {
    rules.map_err(|e| match e {
        StoreError::Failed(_) => StoreError::Refused("the call windows cannot be read"),
        other => other,
    })
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LeadState {
    /// To be called, now or later. May have a result: then it waits for a retry.
    Pending,
    /// Has an open call.
    InFlight,
    /// Called and not called again.
    Called,
    /// Its deadline came before its first call.
    Expired,
}

impl LeadState {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            LeadState::Pending => "pending",
            LeadState::InFlight => "in_flight",
            LeadState::Called => "called",
            LeadState::Expired => "expired",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<LeadState> {
        [LeadState::Pending, LeadState::InFlight, LeadState::Called, LeadState::Expired]
            .into_iter()
            .find(|s| s.name() == name)
    }

    /// `rule`: what it waits for, or why it was refused.
    pub(crate) fn mark(self, rule: Option<Rule>) -> String {
        match (self, rule) {
            (LeadState::Expired, _) => "expired".to_owned(),
            (LeadState::Called, Some(rule)) => rule.name().to_owned(),
            (LeadState::Pending, Some(rule)) => format!("wait_{}", rule.name()),
            _ => String::new(),
        }
    }
}

/// A lead's id is its campaign and its sequence number in it, so that a campaign's leads lie together and in order.
pub const fn lead_id(campaign: CampaignId, seq: u64) -> LeadId {
    LeadId(campaign.0 << 32 | seq as i64)
}

pub(crate) const fn campaign_of(lead: LeadId) -> CampaignId {
    CampaignId(lead.0 >> 32)
}

/// The place of a lead in its campaign, from 1.
pub const fn seq_of(lead: LeadId) -> u64 {
    (lead.0 & 0xffff_ffff) as u64
}

/// The sequence number of the row that `offset` rows precede. `holes`: deleted sequence numbers, ascending. Sequence
/// numbers start at 1.
pub(crate) fn first_seq<E>(
    offset: u64,
    holes: impl Iterator<Item = std::result::Result<u64, E>>,
) -> std::result::Result<u64, E> {
    let mut seq = offset.saturating_add(1);
    for hole in holes {
        if hole? > seq {
            break;
        }
        seq = seq.saturating_add(1);
    }
    Ok(seq)
}

/// What a lead's next state hangs on.
#[derive(Clone, Copy)]
pub(crate) struct Chances {
    /// Calls placed in this round.
    pub attempts: u32,
    pub attempts_max: u32,
    pub not_after: Option<Timestamp>,
}

impl Chances {
    /// When the lead is called again after `outcome`; None: never. A retry that its own deadline forbids is none.
    pub(crate) fn retry_at(self, now: Timestamp, outcome: Outcome, retry: &RetryRule) -> Option<Timestamp> {
        if self.attempts >= self.attempts_max {
            return None;
        }
        let due = now.plus(retry.delay(outcome)?).max(Timestamp(DUE_AT_ONCE + 1));
        self.not_after.is_none_or(|end| due <= end).then_some(due)
    }
}

pub(crate) fn is_past(not_after: Option<Timestamp>, now: Timestamp) -> bool {
    not_after.is_some_and(|end| end < now)
}

pub(crate) fn result_of(record: &CallRecord, extension: Option<String>) -> LeadResult {
    LeadResult {
        call: Some(record.call),
        outcome: record.outcome,
        cause: record.cause,
        notice: record.notice,
        extension,
        dialed_at: Some(record.dialed_at),
        waiting_seconds: record.waiting_seconds(),
        talk_seconds: record.talk_seconds(),
        sip_status: record.sip_status,
    }
}

/// The result of a lead that a rule refused; `last`: what it had before.
pub(crate) fn blocked(last: Option<&LeadResult>) -> LeadResult {
    LeadResult {
        call: last.and_then(|r| r.call),
        outcome: Outcome::Blocked,
        cause: Cause::BLOCKED,
        notice: None,
        extension: None,
        dialed_at: last.and_then(|r| r.dialed_at),
        waiting_seconds: 0,
        talk_seconds: 0,
        sip_status: 0,
    }
}

/// The record of a call that was open when its server died.
pub(crate) fn lost(call: &Call, now: Timestamp) -> CallRecord {
    CallRecord {
        call: call.id,
        campaign: call.campaign,
        lead: call.lead,
        attempt: call.attempt,
        trunk: call.trunk,
        caller_id: call.caller_id.clone(),
        dialed_at: call.dialed_at,
        ringing_at: None,
        answered_at: None,
        bridged_at: None,
        ended_at: now,
        agent: None,
        outcome: Outcome::Lost,
        cause: Cause::UNKNOWN,
        notice: None,
        hangup_by: HangupBy::Unknown,
        sip_status: 0,
        keys: String::new(),
    }
}

/// As `lost`, of a call that is no campaign's.
pub(crate) fn lost_direct(call: &NewDirect, now: Timestamp) -> DirectRecord {
    DirectRecord {
        call: call.call,
        agent: call.agent,
        trunk: None,
        ringing_at: None,
        answered_at: None,
        bridged_at: None,
        ended_at: now,
        outcome: Outcome::Lost,
        cause: Cause::UNKNOWN,
        hangup_by: HangupBy::Unknown,
        sip_status: 0,
        keys: String::new(),
    }
}

fn check_status(campaign: &NewCampaign) -> Result<()> {
    match campaign.status {
        CampaignStatus::Draft | CampaignStatus::Running => Ok(()),
        _ => Err(StoreError::Refused("a campaign begins as draft or running")),
    }
}

pub(crate) fn check_new(campaign: &NewCampaign, leads: &[NewLead]) -> Result<()> {
    check_status(campaign)?;
    // A draft may get its leads later.
    if leads.is_empty() && campaign.status != CampaignStatus::Draft {
        return Err(NO_LEAD);
    }
    Ok(())
}

/// The draft that stands for a campaign until it is published.
pub(crate) fn unpublished(campaign: &NewCampaign) -> Result<NewCampaign> {
    check_status(campaign)?;
    Ok(NewCampaign { status: CampaignStatus::Draft, ..campaign.clone() })
}

/// `status`: the one that it was begun with.
pub(crate) fn publish(campaign: &mut Campaign, now: Timestamp, status: CampaignStatus) -> Result<()> {
    if campaign.counters.total == 0 {
        return Err(NO_LEAD);
    }
    campaign.settings.status = status;
    campaign.created_at = now;
    campaign.started_at = (status == CampaignStatus::Running).then_some(now);
    Ok(())
}

/// A campaign as it is right after its creation, before its leads are counted.
pub(crate) fn created(id: CampaignId, now: Timestamp, settings: NewCampaign) -> Campaign {
    let started_at = (settings.status == CampaignStatus::Running).then_some(now);
    Campaign {
        id,
        settings,
        created_at: now,
        started_at,
        ended_at: None,
        end_reason: None,
        counters: Counters::default(),
    }
}

/// A command sets the status.
pub(crate) fn set_status(campaign: &mut Campaign, now: Timestamp, status: CampaignStatus) -> Result<()> {
    if campaign.settings.status == status {
        return Ok(());
    }
    if campaign.settings.status == CampaignStatus::Ended {
        return Err(StoreError::Refused("the campaign has ended"));
    }
    match status {
        CampaignStatus::Draft => return Err(StoreError::Refused("a campaign does not become a draft again")),
        CampaignStatus::Running => campaign.started_at = campaign.started_at.or(Some(now)),
        CampaignStatus::Paused => {}
        CampaignStatus::Ended => {
            return {
                end(campaign, now, EndReason::Over);
                Ok(())
            };
        }
    }
    campaign.settings.status = status;
    Ok(())
}

pub(crate) fn end(campaign: &mut Campaign, now: Timestamp, why: EndReason) {
    campaign.settings.status = CampaignStatus::Ended;
    campaign.ended_at = Some(now);
    campaign.end_reason = Some(why);
}

pub(crate) fn check_recall(campaign: &Campaign, recall: &Recall) -> Result<()> {
    if campaign.settings.status == CampaignStatus::Running {
        return Err(StoreError::Refused("the campaign is running"));
    }
    if !matches!(recall.status, CampaignStatus::Draft | CampaignStatus::Running) {
        return Err(StoreError::Refused("a recalled campaign is draft or running"));
    }
    Ok(())
}

/// Opens the campaign again after leads were recalled.
pub(crate) fn reopen(campaign: &mut Campaign, now: Timestamp, recall: &Recall) {
    campaign.settings.status = recall.status;
    campaign.settings.not_before = recall.not_before;
    campaign.settings.run_until = recall.run_until;
    campaign.ended_at = None;
    campaign.end_reason = None;
    if recall.status == CampaignStatus::Running {
        campaign.started_at = campaign.started_at.or(Some(now));
    }
}

impl RecallWhich {
    pub(crate) const fn matches(self, outcome: Outcome) -> bool {
        match self {
            RecallWhich::All => true,
            RecallWhich::Abandoned => matches!(outcome, Outcome::Abandoned),
            RecallWhich::NotReached => !outcome.is_answered(),
            RecallWhich::Connected => matches!(outcome, Outcome::Connected),
        }
    }
}

impl Counters {
    /// A lead's last result changes from `old` to `new`.
    pub(crate) fn change(&mut self, old: Option<Outcome>, new: Option<Outcome>) {
        if let Some(outcome) = old {
            self.called -= 1;
            self.answered -= u64::from(outcome.is_answered());
            self.connected -= u64::from(outcome == Outcome::Connected);
            self.abandoned -= u64::from(outcome == Outcome::Abandoned);
        }
        if let Some(outcome) = new {
            self.called += 1;
            self.answered += u64::from(outcome.is_answered());
            self.connected += u64::from(outcome == Outcome::Connected);
            self.abandoned += u64::from(outcome == Outcome::Abandoned);
        }
    }
}
