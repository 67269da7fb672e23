use serde_json::{Value, json};
use uuid::Uuid;

use super::*;

fn uid(number: u128) -> JobUid {
    JobUid(Uuid::from_u128(number))
}

fn event_of(number: u128, kind: EventType, sequence: u32, more: Value) -> Vec<u8> {
    let mut data = json!({"uid": uid(number), "message": "the cloud said no"});
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::to_vec(&Event::new("/crossgrant/x", kind, uid(number), sequence, Timestamp::UNIX_EPOCH, data)).unwrap()
}

fn event(kind: EventType, sequence: u32) -> Vec<u8> {
    event_of(1, kind, sequence, json!({"state": "waiting", "expected_at": "2026-11-21T11:00:00Z"}))
}

fn jobs(ids: &[&str]) -> Follow {
    Follow::new(ids.iter().map(|id| (format!("c-{id}"), (*id).to_owned())).collect(), 0, Timestamp::UNIX_EPOCH)
}

fn two() -> Follow {
    jobs(&["NET-1", "NET-2"])
}

fn line(follow: &Follow) -> String {
    follow.tally().line("2026-11-21T10:59:00Z".parse().unwrap(), 79)
}

#[test]
fn it_ends_when_every_job_has_ended_and_is_good_only_if_all_completed() {
    let mut follow = two();
    assert!(follow.take("c-NET-1", &event(EventType::Completed, 3)).is_some());
    assert!(!follow.ended() && follow.open() == "NET-2");
    follow.take("c-NET-2", &event(EventType::Completed, 2));
    assert!(follow.ended() && follow.completed());
    for bad in [EventType::Failed, EventType::Rejected, EventType::Superseded, EventType::Cancelled] {
        let mut follow = two();
        follow.take("c-NET-1", &event(EventType::Completed, 3));
        follow.take("c-NET-2", &event(bad, 2));
        assert!(follow.ended() && !follow.completed(), "{bad:?}");
    }
    let mut follow = Follow::new(vec![("c-NET-1".into(), "NET-1".into())], 1, Timestamp::UNIX_EPOCH);
    follow.take("c-NET-1", &event(EventType::Completed, 3));
    assert!(follow.ended() && !follow.completed(), "one was not published");
}

#[test]
fn an_event_counts_once_and_late_ones_change_nothing() {
    let mut follow = two();
    assert!(follow.take("c-NET-1", &event(EventType::Completed, 3)).is_some());
    assert!(follow.take("c-NET-1", &event(EventType::Completed, 3)).is_none());
    assert!(follow.take("c-NET-1", &event(EventType::Waiting, 2)).is_some(), "shown, though it comes late");
    assert_eq!(follow.open(), "NET-2");
    assert!(follow.take("c", &event(EventType::Completed, 1)).is_none(), "of another submission");
    assert!(follow.take("c-NET-2", b"{}").is_none());
}

#[test]
fn a_job_that_needs_a_person_is_told_of_and_followed_on() {
    let mut follow = jobs(&["NET-1"]);
    let notice = follow.take("c-NET-1", &event(EventType::Parked, 2)).unwrap().notice.unwrap();
    assert!(notice.contains("NET-1 needs a person: the cloud said no"), "{notice}");
    assert_eq!(follow.open(), "NET-1");
    follow.take("c-NET-1", &event(EventType::Waiting, 3));
    assert_eq!(line(&follow), "0 of 1 ended · NET-1 waiting · next check in 1 min 0 s");
}

#[test]
fn a_job_of_which_events_tell_no_more_is_accepted_and_not_queued() {
    let mut follow = two();
    assert_eq!(line(&follow), "0 of 2 ended, 2 published, oldest NET-1");
    follow.take("c-NET-1", &event_of(1, EventType::Accepted, 1, json!({"state": "queued"})));
    assert_eq!(line(&follow), "0 of 2 ended, 1 accepted, 1 published, oldest NET-1");
    follow.take("c-NET-1", &event_of(1, EventType::Parked, 2, json!({"state": "parked"})));
    follow.take("c-NET-1", &event_of(1, EventType::Resumed, 3, json!({"state": "queued"})));
    assert_eq!(line(&follow), "0 of 2 ended, 1 accepted, 1 published, oldest NET-1");
}

#[test]
fn a_worker_that_can_be_asked_tells_which_jobs_are_in_work() {
    let mut follow = jobs(&["NET-1", "NET-2", "NET-3", "NET-4"]);
    for (number, id) in [(1, "c-NET-1"), (2, "c-NET-2"), (3, "c-NET-3"), (4, "c-NET-4")] {
        follow.take(id, &event_of(number, EventType::Accepted, 1, json!({"state": "queued"})));
    }
    let known = |number, state| KnownJob { uid: uid(number), state, held: number == 3, next: None, why: "w".into() };
    follow.take("c-NET-1", &event_of(1, EventType::Completed, 2, json!({"state": "completed"})));
    follow.hear(&[
        known(1, State::Running),
        known(2, State::Running),
        known(3, State::Queued),
        known(4, State::Completed),
        known(9, State::Queued),
    ]);
    assert_eq!(line(&follow), "1 of 4 ended, 1 in work, 1 held, 1 accepted, oldest NET-2");
    let next = "2026-11-21T10:59:30Z".parse().ok();
    follow.hear(&[KnownJob { uid: uid(4), state: State::Waiting, held: false, next, why: "not yet".into() }]);
    assert_eq!(follow.oldest(), Some(("NET-2", "w")));
    assert_eq!(line(&follow), "1 of 4 ended, 1 waiting, 1 in work, 1 held, next check in 30 s, oldest NET-2");
}

#[test]
fn the_summary_counts_the_ends_by_reason_and_names_each_job_that_did_not_complete() {
    let ids: Vec<String> = (0..60).map(|number| format!("BOT-{number}")).collect();
    let mut follow = jobs(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let took = Duration::from_secs(151);
    assert_eq!(follow.summary(took), ["0 of 60 ended in 2 min 31 s"]);
    for (number, id) in ids.iter().enumerate() {
        let (kind, more) = match number {
            0..55 => (EventType::Completed, json!({"reason": "done", "message": "granted"})),
            55..57 => (EventType::Failed, json!({"reason": "attached"})),
            57 => (EventType::Failed, json!({"reason": "expired"})),
            58 => (EventType::Rejected, json!({"reason": "invalid", "message": "/kind: missing"})),
            _ => continue,
        };
        follow.take(&format!("c-{id}"), &event_of(number as u128, kind, 2, more));
    }
    assert_eq!(
        follow.summary(took),
        [
            "59 of 60 ended in 2 min 31 s: 55 completed, 2 failed (attached), 1 failed (expired), 1 rejected",
            "BOT-55 failed (attached): the cloud said no",
            "BOT-56 failed (attached): the cloud said no",
            "BOT-57 failed (expired): the cloud said no",
            "BOT-58 rejected (invalid): /kind: missing",
        ]
    );
}

#[test]
fn a_summary_fits_on_a_screen_however_many_jobs_there_are() {
    let ids: Vec<(String, String)> = (0..300).map(|number| (format!("c-{number}"), format!("BOT-{number}"))).collect();
    let mut follow = Follow::new(ids, 2, Timestamp::UNIX_EPOCH);
    assert!(follow.open().ends_with("BOT-49 and 250 more"), "{}", follow.open());
    for number in 0..300_u128 {
        follow.take(&format!("c-{number}"), &event_of(number, EventType::Failed, 1, json!({"reason": "attached"})));
    }
    let lines = follow.summary(Duration::from_secs(9));
    assert_eq!(lines[0], "300 of 302 ended in 9 s: 300 failed (attached), 2 not published");
    assert_eq!((lines.len(), lines[51].as_str()), (52, "and 250 more that did not complete"));
}

#[test]
fn a_job_that_had_ended_before_is_told_to_have() {
    let published = Timestamp::UNIX_EPOCH + Duration::from_secs(60);
    let mut follow = Follow::new(vec![("c-NET-1".into(), "NET-1".into())], 0, published);
    let notice = follow.take("c-NET-1", &event(EventType::Completed, 3)).unwrap().notice.unwrap();
    assert!(notice.starts_with("NET-1 completed already at 1970-01-01T00:00:00Z; "), "{notice}");
    let summary = follow.summary(Duration::from_secs(1));
    assert_eq!(summary, ["1 of 1 ended in 1 s: 1 completed, 1 of them before they were submitted"]);
    let mut now = jobs(&["NET-1"]);
    assert_eq!(now.take("c-NET-1", &event(EventType::Completed, 3)).unwrap().notice, None);
}
