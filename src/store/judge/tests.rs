use jiff::Timestamp;

use super::*;
use crate::admin::testing;
use crate::domain::{Attachments, InstanceType, Kind, Mode, OnFailure, OrderType, REASONS_VERSION, Reason};
use crate::engine::ports::store::Lease;
use crate::engine::record::{Ending, Phase, Turn};
use crate::store::{Postgres, Sqlite};

const HELD: Compared<'_> = Compared { revision: 3, state: "running", lease_holder: Some("w1"), lease_token: 7 };

/// The next record of a job whose revision 3 is stored.
fn next(state: State) -> Record {
    let now = Timestamp::UNIX_EPOCH;
    let ending = Ending { reason: Reason::HalfDone, message: String::new(), findings: vec![] };
    let mut record = testing::record("job");
    record.revision = 4;
    record.phase = match state {
        State::Queued => Phase::Queued(Turn::Due(now)),
        State::Running => Phase::Running(Turn::Due(now)),
        State::Waiting => Phase::Waiting { due: now },
        State::Parked => Phase::Parked { ending, half_done: false },
        state => Phase::Ended { state, ending, at: now },
    };
    record
}

fn lease(holder: &str, token: i64) -> Lease {
    Lease { holder: holder.into(), token, until: Timestamp::UNIX_EPOCH }
}

fn why<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Corrupt(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_transition_is_decided_by_the_table() {
    for from in State::ALL {
        for to in State::ALL {
            let judged = compare(Compared { state: from.as_str(), ..HELD }, &next(to), &LeaseUse::None);
            if from.may_become(to) {
                assert_eq!(judged.unwrap(), Some(from), "{from:?} to {to:?}");
            } else {
                let expected = format!("is {} and may not become {}", from.as_str(), to.as_str());
                assert!(why(judged).ends_with(&expected), "{from:?} to {to:?}");
            }
        }
    }
}

#[test]
fn a_lease_must_be_the_stored_one_by_holder_and_token() {
    for (holder, token) in [("w1", 7), ("w1", 6), ("w1", 8), ("w2", 7), ("", 7)] {
        for named in [LeaseUse::Keep(lease(holder, token), Timestamp::MAX), LeaseUse::Release(lease(holder, token))] {
            let judged = compare(HELD, &next(State::Running), &named).unwrap();
            assert_eq!(judged.is_some(), (holder, token) == ("w1", 7), "{named:?}");
            let released = Compared { lease_holder: None, ..HELD };
            assert_eq!(compare(released, &next(State::Running), &named).unwrap(), None, "{named:?}");
        }
    }
}

#[test]
fn without_a_lease_that_of_another_is_no_conflict() {
    for lease_holder in [None, Some("w1")] {
        let judged = compare(Compared { lease_holder, ..HELD }, &next(State::Parked), &LeaseUse::None);
        assert_eq!(judged.unwrap(), Some(State::Running));
    }
}

#[test]
fn only_the_revision_after_the_stored_one_is_no_conflict() {
    for (stored, fits) in [(3, true), (2, false), (4, false), (0, false), (-1, false), (i64::MIN, false)] {
        let judged = compare(Compared { revision: stored, ..HELD }, &next(State::Running), &LeaseUse::None);
        assert_eq!(judged.unwrap().is_some(), fits, "{stored}");
    }
    let mut first = next(State::Running);
    first.revision = 0;
    assert_eq!(compare(Compared { revision: -1, ..HELD }, &first, &LeaseUse::None).unwrap(), None);
}

#[test]
fn a_conflict_comes_before_what_is_wrong_with_the_change() {
    let ended = Compared { state: "failed", ..HELD };
    let stale = Compared { revision: 2, ..ended };
    assert_eq!(compare(stale, &next(State::Running), &LeaseUse::None).unwrap(), None);
    let unknown = Compared { state: "asleep", ..HELD };
    assert_eq!(compare(unknown, &next(State::Running), &LeaseUse::Release(lease("w2", 7))).unwrap(), None);
    assert!(why(compare(unknown, &next(State::Running), &LeaseUse::None)).ends_with("unknown state asleep"));
}

#[test]
fn a_limit_counts_the_others() {
    assert_eq!(admit(0, 0), Committed::OverLimit(0));
    assert_eq!(admit(0, 1), Committed::Done);
    assert_eq!(admit(6, 7), Committed::Done);
    assert_eq!(admit(7, 7), Committed::OverLimit(7));
    assert_eq!(admit(9, 7), Committed::OverLimit(9));
}

#[test]
fn an_event_is_the_same_by_its_message_id_and_body() {
    let key = EventKey { uid: testing::record("job").uid, sequence: 2, terminal: true };
    let outgoing = Outgoing { message_id: "m".into(), body: "b".into(), ..Outgoing::default() };
    same_event(key, ("m", b"b"), &outgoing).unwrap();
    // It may go to another place.
    same_event(key, ("m", b"b"), &Outgoing { routing_key: "elsewhere".into(), ..outgoing.clone() }).unwrap();
    for other in [("n", b"b".as_slice()), ("m", b"c"), ("m", b"")] {
        let expected = format!("event 2 of {} is stored with other content", key.uid);
        assert_eq!(why(same_event(key, other, &outgoing)), expected);
    }
}

#[test]
fn a_schema_of_a_newer_program_is_refused() {
    assert_eq!(schema(0, 3).unwrap(), 0);
    assert_eq!(schema(3, 3).unwrap(), 3);
    for found in [4, 99, -1, i64::MAX] {
        let Err(StoreError::Unusable(Code::StoreNewer, why)) = schema(found, 3) else { panic!("{found}") };
        assert!(why.contains(&format!("version {found}")), "{why}");
    }
}

/// The words that a stored record can hold: the version of the schema and the version of the reasons that came with them, and the
/// words.
///
/// A program cannot read a record with a word that it does not know. It must not come to that: it refuses a store whose schema it
/// does not know, and says what to do. So with a word, a reason among them, add a migration to both stores, an empty one if nothing
/// else changes, and a row here. Never edit the row of a released version.
const WORDS: [(usize, u32, &str); 2] = [
    (
        6,
        6,
        "queued running waiting parked completed planned failed superseded cancelled\n\
     done already-satisfied already-absent planned expired attached payer-differs not-granted payer-not-changeable \
     grant-gone overridden detached refused-by-policy preflight-failed refused-by-cloud credential-refused \
     superseded-by-newer cancelled-by-operator batch-stopped needs-approval restored gave-up half-done unknown-call invalid \
     id-reused dead-lettered too-many\n\
     grant revoke payer-change\n\
     VPC VBR CCN VPN ECR\n\
     PayByCenOwner PayByResourceOwner\n\
     refuse delete\n\
     apply plan\n\
     go-on stop",
    ),
    (
        7,
        7,
        "queued running waiting parked completed planned failed superseded cancelled\n\
     done already-satisfied already-absent planned expired attached payer-differs not-granted payer-not-changeable \
     grant-gone overridden detached refused-by-policy preflight-failed refused-by-cloud credential-refused \
     account-not-ready superseded-by-newer cancelled-by-operator batch-stopped needs-approval restored gave-up half-done unknown-call invalid \
     id-reused dead-lettered too-many\n\
     grant revoke payer-change\n\
     VPC VBR CCN VPN ECR\n\
     PayByCenOwner PayByResourceOwner\n\
     refuse delete\n\
     apply plan\n\
     go-on stop",
    ),
];

#[test]
fn a_new_word_of_records_comes_with_a_migration() {
    let words = [
        State::ALL.map(State::as_str).join(" "),
        Reason::ALL.map(Reason::as_str).join(" "),
        Kind::ALL.map(Kind::as_str).join(" "),
        InstanceType::ALL.map(InstanceType::as_str).join(" "),
        OrderType::ALL.map(OrderType::as_str).join(" "),
        Attachments::ALL.map(Attachments::as_str).join(" "),
        Mode::ALL.map(Mode::as_str).join(" "),
        OnFailure::ALL.map(OnFailure::as_str).join(" "),
    ];
    let (schema, reasons, expected) = WORDS[WORDS.len() - 1];
    assert_eq!(words.join("\n"), expected, "see WORDS");
    assert_eq!(REASONS_VERSION, reasons, "see WORDS");
    assert!(schema <= Sqlite::SCHEMA && schema <= Postgres::SCHEMA, "see WORDS: there is no migration {schema}");
    assert!(WORDS.is_sorted_by(|before, after| before.0 < after.0), "see WORDS: a row without a migration of its own");
}
