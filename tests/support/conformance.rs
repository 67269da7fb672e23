//! The conformance suite of stores: one test for each promise of [`crossgrant::engine::ports::store::Store`].
//!
//! `conformance!(make)` makes the tests for the store that the async function `make` opens, each on a fresh one.

pub mod batches;
pub mod change;
pub mod damage;
pub mod dead;
pub mod feed;
pub mod fixtures;
pub mod guards;
pub mod history;
pub mod intake;
pub mod lease;
pub mod listing;
pub mod mail;
pub mod queue;
pub mod retention;
pub mod sweep;
pub mod webhooks;

/// Makes one test for each promise.
macro_rules! conformance {
    ($make:path) => {
        conformance! { @ $make;
            intake: a_message_becomes_a_job, the_same_id_and_content_is_no_second_job,
                repetitions_are_seen_within_one_batch, the_same_id_with_other_content_is_rejected,
                ids_are_scoped_by_requester, a_repetition_is_answered_to_the_new_reply_to,
                a_repetition_without_reply_to_is_answered_where_it_was_first, a_rejection_is_stored_and_published,
                a_rejection_again_is_published_again_unchanged, a_repetition_gets_the_latest_event, what_a_message_holds_is_refused_with_no_trace, simultaneous_repetitions_make_one_job,
                one_job_too_many_is_not_taken, messages_that_come_at_once_are_not_too_many_together;
            batches: jobs_get_into_their_batch, a_repeated_job_counts_once, what_does_not_fit_leaves_no_trace,
                the_last_place_in_a_batch_is_taken_by_one, all_are_taken_or_none, all_of_them_again_are_repetitions,
                a_batch_is_changed_by_one, a_job_that_comes_meanwhile_is_not_missed, its_end_goes_to_each_queue_once,
                batches_are_found_and_listed, a_batch_outlives_its_jobs_and_keeps_them_until_it_has_ended,
                what_was_said_of_a_batch_is_published_again;
            queue: jobs_on_one_instance_go_in_order, a_blocked_job_is_not_claimable_however_due,
                leaving_lets_the_next_job_go, a_job_that_comes_back_is_last, a_job_that_stays_keeps_its_place,
                leaving_from_the_middle_frees_no_other, jobs_outside_the_queue_are_not_blocked,
                a_half_done_job_blocks_the_queue, jobs_that_name_different_owners_do_not_wait_for_each_other,
                one_job_at_a_time_has_the_lock_of_an_instance, a_job_whose_write_was_refused_gives_the_lock_back,
                a_job_that_comes_back_gets_the_lock_with_its_next_intent, a_half_done_job_keeps_the_lock,
                the_lock_is_given_to_one;
            lease: a_claim_is_exclusive_until_it_ends, claims_take_the_earliest_due_first,
                nothing_is_claimed_before_its_time, an_old_token_commits_nothing, a_lease_can_be_prolonged,
                a_released_job_is_free_at_once, a_restarted_worker_takes_back_its_own_leases_only,
                next_due_is_when_a_claim_finds_something, simultaneous_claims_share_without_overlap,
                requesters_take_turns, one_requester_has_no_more_than_its_part, what_is_in_hand_is_not_claimed,
                a_flood_that_was_held_waits_for_its_turn_too,
                a_worker_never_claims_what_it_has_in_hand, what_is_brought_forward_is_due_at_once,
                of_an_account_only_its_own_jobs_are_brought_forward, only_what_is_put_off_too_far_is_brought_forward;
            change: a_commit_raises_the_revision, a_commit_on_an_old_revision_changes_nothing,
                a_conflict_of_another_leaves_nothing_behind, others_change_in_the_same_commit,
                only_the_table_of_transitions_is_allowed, an_illegal_change_harms_no_other,
                many_changes_are_each_for_themselves, a_job_that_is_not_there_conflicts,
                without_a_lease_only_the_revision_counts, simultaneous_commits_are_won_by_one;
            guards: over_the_limit_nothing_changes, a_place_is_free_again_after_the_hour,
                a_job_is_counted_with_its_like, a_job_without_a_limit_is_counted, a_job_that_has_begun_keeps_its_place,
                the_last_place_is_taken_by_one, no_job_begins_in_a_paused_account, a_pause_is_kept_until_it_is_ended,
                a_held_job_can_be_claimed_once_its_account_is_unpaused, a_held_job_is_due_at_its_own_time_too,
                a_job_held_too_late_is_not_forgotten;
            mail: messages_come_in_the_order_of_their_commits, published_messages_are_gone_and_numbers_never_return,
                undeliverable_messages_are_kept_aside, terminal_events_reach_every_follower_once,
                followers_are_limited, events_are_kept_in_order, one_event_may_go_to_two_places,
                an_event_never_changes_its_content, lanes_are_read_apart, a_page_is_bounded_in_bytes,
                a_refused_event_waits_alone, replies_stay_behind_the_refused_one,
                the_first_reply_that_was_refused_stays_the_first,
                a_queue_that_is_given_up_gets_one_more_chance_with_each,
                a_time_that_only_another_clock_can_have_set_is_not_waited_for;
            webhooks: webhooks_are_in_no_lane, hosts_take_turns, a_webhook_that_fails_waits_alone,
                the_end_of_a_job_goes_to_its_webhook, a_webhook_set_aside_is_called_again_when_it_is_replayed,
                a_webhook_that_is_put_off_is_shown_and_sent_at_once_when_it_is_replayed;
            sweep: swept_jobs_are_not_claimed, a_group_is_one_cen_and_one_type, pages_cover_a_group_without_overlap,
                pages_stay_put_while_jobs_leave, next_sweep_is_the_first_due, a_job_in_doubt_is_not_swept;
            dead: rejections_are_listed_newest_first_in_pages, undeliverable_messages_are_replayed_as_they_were,
                undeliverable_messages_have_their_reason_and_can_be_dropped,
                a_rejection_has_its_message_until_both_are_dropped;
            history: events_are_published_again_as_they_were_behind_fresh_ones, jobs_that_can_have_events_of_a_time_are_found;
            feed: every_event_is_in_the_feed_once_in_the_order_of_the_commits, a_page_of_the_feed_is_bounded,
                a_requester_finds_its_own_in_the_feed, deleted_events_leave_the_feed_and_numbers_never_return;
            listing: newest_first_in_pages, every_filter_narrows, a_store_and_a_record_agree_on_a_filter,
                one_job_by_either_name, jobs_of_all_requesters_by_an_id, waiting_jobs_oldest_first;
            retention: definitions_are_kept_by_digest, jobs_and_messages_are_counted,
                parked_and_held_jobs_are_counted_by_cause, ages_are_those_of_the_oldest, what_goes_on_by_itself_is_told, the_probe_can_be_repeated,
                old_ended_jobs_are_deleted_whole, a_job_is_kept_from_its_end_on, what_is_unpublished_is_not_deleted, old_rejections_are_deleted,
                of_rejections_only_the_newest_are_kept;
        }
    };
    (@ $make:path; $($part:ident: $($promise:ident),+;)+) => {
        $($(
            #[tokio::test]
            async fn $promise() {
                let fresh: crate::support::conformance::fixtures::Fresh = $make().await;
                crate::support::conformance::$part::$promise(fresh.store).await;
                drop(fresh.guard);
            }
        )+)+
    };
}
pub(crate) use conformance;
