//! What every driver must do: one function for each behaviour, run on a fresh store of each driver.

mod access;
mod bills;
mod calls;
mod campaigns;
mod compliance;
mod directs;
mod everything;
mod forgetting;
mod identities;
mod leads;
mod pages;
mod provision;
mod pushes;
mod qualities;
mod random;
mod recordings;
mod scene;
mod unpublished;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
pub(crate) use everything::{fill, told};
use scene::*;

/// A folder of its own, removed when dropped.
pub(crate) struct Folder(pub PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let name = format!("store-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("the temporary folder is writable");
        Folder(path)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("outpace.db")
    }

    /// Whether the bytes are in one of its files.
    pub(crate) fn has_on_disk(&self, text: &str) -> bool {
        self.files().iter().any(|bytes| bytes.windows(text.len()).any(|w| w == text.as_bytes()))
    }

    /// What in its files looks like a number of `scene::number`, which has 138 and six or more zeros or so.
    pub(crate) fn numbers_on_disk(&self) -> Vec<String> {
        let files = self.files();
        let runs = files.iter().flat_map(|bytes| bytes.split(|b| !b.is_ascii_digit()));
        let numbers = runs.filter(|run| (11..=15).contains(&run.len()));
        let numbers = numbers.map(|run| String::from_utf8_lossy(run).into_owned());
        numbers.filter(|run| run.contains("1380000")).collect()
    }

    fn files(&self) -> Vec<Vec<u8>> {
        let files = std::fs::read_dir(&self.0).expect("the folder is there");
        files.map(|f| std::fs::read(f.expect("readable").path()).expect("readable")).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn with_mem(behaviour: fn(&dyn Store)) {
    behaviour(&MemStore::new());
}

fn with_sqlite(behaviour: fn(&dyn Store)) {
    let folder = Folder::new();
    let store = SqliteStore::open(&folder.database()).expect("a new database");
    behaviour(&store);
    store.verify().expect("the counters are what counting gives");
}

/// Telephone numbers sealed. Nothing that looks like one may be in the files then; `area`: where what is put on lists are
/// whole numbers as beginnings, which are not sealed.
fn with_sealed_sqlite(behaviour: fn(&dyn Store), area: &str) {
    let folder = Folder::new();
    let key = SealKey::of_bytes(&[9; 32]);
    let store = SqliteStore::open_sealed(&folder.database(), Some(key), KeepNumbers::Sealed);
    let store = store.expect("a new database");
    behaviour(&store);
    store.verify().expect("the counters are what counting gives");
    if area != "random" {
        assert_eq!(folder.numbers_on_disk(), Vec::<String>::new());
    }
}

macro_rules! conformance {
    ($($area:ident { $($behaviour:ident)* })*) => {
        mod mem_store {$(
            mod $area {$(
                #[test]
                fn $behaviour() {
                    crate::conformance::with_mem(crate::conformance::$area::$behaviour);
                }
            )*}
        )*}
        mod sqlite_store {$(
            mod $area {$(
                #[test]
                fn $behaviour() {
                    crate::conformance::with_sqlite(crate::conformance::$area::$behaviour);
                }
            )*}
        )*}
        mod sqlite_store_sealed {$(
            mod $area {$(
                #[test]
                fn $behaviour() {
                    let behaviour = crate::conformance::$area::$behaviour;
                    crate::conformance::with_sealed_sqlite(behaviour, stringify!($area));
                }
            )*}
        )*}
    };
}

conformance! {
    provision {
        a_company_is_put_and_put_again
        an_app_key_belongs_to_one_company
        an_extension_number_belongs_to_one_company
        an_extension_keeps_its_pause_when_put_again
        trunks_and_caller_ids_keep_their_place
        which_calls_of_customers_are_taken_reads_back_as_put
        nothing_belongs_to_a_company_that_is_not_there
        a_token_lives_until_it_expires
        tokens_end_by_hash_and_by_appid
        a_group_has_its_name_alone
        a_group_in_use_is_not_deleted
        members_come_in_order_and_keep_their_sign_in
        a_member_is_of_the_groups_company
        registrations_are_kept_until_they_expire
        registrations_of_one_extension_are_bounded
        extensions_and_members_are_put_together_or_not_at_all
        a_deleted_extension_leaves_its_number_in_its_calls_and_its_id_to_nobody
        an_extension_in_use_is_not_deleted
        trunks_and_caller_ids_in_use_are_not_deleted
    }
    recordings {
        a_recording_is_found_by_its_company_alone
        a_recording_is_completed_in_any_order
        a_filename_is_one_calls
        expired_recordings_come_oldest_first_and_can_be_deleted
    }
    identities {
        it_is_found_by_its_company_alone_and_the_last_word_counts
        it_is_forgotten_when_it_is_old
    }
    qualities {
        each_leg_is_known_once_it_was_measured_and_the_last_word_counts
        what_is_old_is_forgotten
    }
    campaigns {
        a_campaign_reads_back_as_created
        a_campaign_begins_as_draft_or_running_with_leads
        repeated_numbers_are_listed_and_not_stored
        a_taskid_and_a_client_id_are_taken_once
        commands_open_pause_and_end
        an_unknown_campaign_is_not_found
        a_campaign_is_over_when_nothing_is_left
        a_deadline_ends_whatever_is_left
        leads_past_their_deadline_do_not_keep_a_campaign
        recalled_leads_are_called_again
        recall_takes_those_that_match
        recall_leaves_leads_in_flight
        recall_needs_a_match_and_a_campaign_that_rests
        open_campaigns_come_oldest_first
        campaigns_are_listed_newest_first_by_page
        campaigns_are_found_by_each_filter
    }
    unpublished {
        a_campaign_is_hidden_and_not_dialed_until_it_is_published
        a_campaign_begun_as_draft_is_published_as_draft
        what_is_begun_is_checked_as_what_is_created
        an_unpublished_campaign_is_discarded_bit_by_bit
        a_campaign_without_leads_is_discarded_at_once
    }
    leads {
        leads_are_listed_as_submitted_by_page
        an_added_lead_comes_last
        nothing_is_added_to_an_ended_campaign
        deleted_leads_leave_no_gap_in_a_page
        a_deleted_number_can_be_added_again
        leads_that_were_called_are_not_deleted
        a_page_is_bounded
    }
    calls {
        a_lease_takes_the_first_and_writes_their_calls
        a_lease_is_bounded_by_slots_and_leads
        a_due_retry_goes_before_new_leads
        a_campaign_that_does_not_run_leases_nothing
        calls_that_finish_together_have_each_its_own_answer
        supply_tells_what_is_left
        leads_past_their_deadline_are_given_up
        a_lease_gives_up_a_bounded_number
        a_returned_lead_gets_its_place_back
        a_call_id_is_used_once
        a_finished_call_reads_back_as_recorded
        a_lead_shows_its_last_result
        each_outcome_follows_the_retry_rule
        attempts_end
        a_retry_after_the_leads_deadline_is_none
        a_call_finishes_once
        an_unknown_call_does_not_finish
        a_call_finishes_after_its_campaign_ended
        counters_follow_the_last_result
        a_rescue_ends_open_calls_as_lost
        answered_calls_are_counted_from_a_time
        calls_are_listed_by_id
    }
    compliance {
        settings_read_back_as_put
        a_list_holds_each_entry_once
        a_prefix_covers_what_begins_so_even_beside_others
        listed_numbers_are_not_stored
        a_number_listed_later_ends_as_blocked
        nothing_is_leased_while_the_window_is_closed
        a_retry_falls_into_the_window
        leads_in_other_zones_wait_for_their_own_window
        a_lead_whose_deadline_is_before_its_window_is_refused
        a_number_of_no_country_is_refused_when_there_are_hours
        a_campaigns_own_windows_narrow_the_companys
        a_cap_counts_calls_of_every_campaign
        a_returned_lease_gives_its_dial_back
        a_capped_lead_with_an_early_deadline_is_refused
        an_abandoned_call_locks_its_number_out
        new_settings_wake_what_waits
        a_list_keeps_its_meaning_in_another_country
    }
    forgetting {
        what_is_old_is_deleted_and_what_is_not_stays
        another_companys_old_data_stays
    }
    directs {
        who_had_to_do_with_a_number_last_is_known_however_it_is_written
        calls_of_customers_have_a_direction_of_their_own
        a_direct_call_has_its_bill_once
        bills_are_found_by_their_method
        a_direct_call_that_a_crash_cut_off_ends_as_lost
        a_direct_call_is_told
    }
    bills {
        a_bill_tells_all_of_its_call
        bills_are_found_by_each_filter
        bills_come_oldest_first_by_page
        each_page_of_bills_begins_where_the_one_before_ended
        a_fetched_bill_is_not_fetched_again
        eight_clients_at_once_get_each_bill_once
    }
    pushes {
        pushes_are_put_and_put_again
        a_company_without_urls_is_told_nothing
        a_finished_call_is_told_once
        a_call_that_a_crash_cut_off_is_told
        the_end_of_a_campaign_is_told_once_and_with_its_reason
        extension_states_are_told_of_calls_that_are_there
        events_of_one_call_come_one_after_the_other
        an_event_that_is_given_up_lets_the_next_pass
        a_dead_event_can_be_sent_again
        expired_events_are_given_up_and_later_forgotten
        event_ids_are_not_used_again
    }
    pages {
        campaigns_go_by_id_from_the_newest
        leads_go_by_their_place
        calls_go_by_id_from_the_newest_and_belong_to_their_company
        calls_are_found_by_each_filter
        calls_of_no_campaign_are_listed_among_the_others
        a_call_shows_the_names_of_what_it_was_about
    }
    access {
        a_user_has_the_name_alone_in_the_company
        sessions_end_with_time_with_logout_and_with_the_user
        a_key_is_found_until_it_is_revoked
        the_audit_trail_reads_from_the_newest_by_page
        old_entries_of_the_audit_trail_are_deleted
        a_request_is_claimed_once
        a_request_cut_off_may_be_done_again
        eight_claims_at_once_give_one_new_request
    }
    random {
        the_driver_answers_as_the_memory_does
    }
}
