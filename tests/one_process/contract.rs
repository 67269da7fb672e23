//! The job contract, message by message: what is refused and where, what is taken and as what.

use std::collections::BTreeSet;

use crossgrant::domain::contract::{Envelope, FaultList, MAX_BODY, id_of, is_whole, parse, parse_whole};
use crossgrant::domain::{Attachments, Code, Job, Kind, Mode, OrderType};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::bad_messages::{Bad, corpus, good, with};

const RESERVED: &str = "crossgrant";

fn read(body: &Value) -> Result<Job, FaultList> {
    let envelope = Envelope { routing_key: "crossgrant.jobs", reserved: RESERVED, ..Envelope::default() };
    parse(body.to_string().as_bytes(), &envelope)
}

fn refuse(bad: &Bad) -> FaultList {
    let envelope = Envelope {
        message_id: bad.message_id.as_deref(),
        routing_key: &bad.routing_key,
        reply_to: bad.reply_to.as_deref(),
        reserved: RESERVED,
        ..Envelope::default()
    };
    parse(&bad.body, &envelope).expect_err(bad.name)
}

#[test]
fn every_bad_message_is_refused_for_all_its_reasons_and_no_other() {
    let corpus = corpus(RESERVED);
    assert!(corpus.len() >= 100, "{} kinds", corpus.len());
    let names: BTreeSet<_> = corpus.iter().map(|bad| bad.name).collect();
    assert_eq!(names.len(), corpus.len(), "a name stands for one message");
    for bad in &corpus {
        let faults = refuse(bad);
        let mut at: Vec<&str> = faults.iter().map(|fault| fault.at.as_str()).collect();
        at.sort_unstable();
        assert_eq!(at, bad.at, "{}: {faults:?}", bad.name);
    }
}

#[test]
fn every_code_of_a_fault_is_met() {
    let met: BTreeSet<Code> = corpus(RESERVED).iter().flat_map(refuse).map(|fault| fault.code).collect();
    let all = Code::ALL.iter().copied().filter(|code| code.part() == "Messages");
    // The first are not the contract's to find: it knows neither requesters nor the policy nor other jobs, nor the store nor the
    // broker. And the last is in no body.
    let found_elsewhere = [
        Code::JobBadUser,
        Code::JobBadSignature,
        Code::JobNoDoor,
        Code::JobReplyToNotAllowed,
        Code::JobNotAllowed,
        Code::JobIdReused,
        Code::JobTooMany,
        Code::JobBatchDiffers,
        Code::JobBatchFull,
        Code::JobBatchClosed,
        Code::JobNotStorable,
        Code::JobDeadLettered,
        Code::JobUnreadable,
    ];
    assert_eq!(met, all.filter(|code| !found_elsewhere.contains(code)).collect());
}

#[test]
fn the_reasons_fit_into_one_frame_of_the_broker() {
    for bad in corpus(RESERVED) {
        // Reasons travel in a header, and all headers of a message in one frame: 128 KiB, unless a client asks for less.
        let reasons = json!(refuse(&bad)).to_string();
        assert!(reasons.len() < 64 * 1024, "{}: {} bytes of reasons", bad.name, reasons.len());
    }
}

#[test]
fn what_is_wrong_is_said_with_what_would_be_right() {
    let message = |body: &Value| read(body).unwrap_err()[0].message.clone();
    for (body, said) in [
        (with("/order-type", json!("PayByCenOwner")), "did you mean \"order_type\"?"),
        (with("/instance/ownr", json!("1")), "did you mean \"owner\"?"),
        (with("/kind", json!("payer_change")), "did you mean \"payer-change\"?"),
        (with("/order_type", json!("PayByCENOwner")), "did you mean \"PayByCenOwner\"?"),
        (with("/not_before", json!("2026-11-21")), "2026-11-21T09:00:00Z"),
        (with("/instance/id", json!("vbr-bp1svadp4lq38janc0001")), "\"vpc-\""),
        (with("/cen/owner", json!(1.5)), "account uid"),
        (with("/urgent", json!(true)), "there is no field \"urgent\""),
    ] {
        let message = message(&body);
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn a_bad_message_is_found_by_its_id_if_it_has_one() {
    let id =
        |body: &Value, message_id| id_of(body.to_string().as_bytes(), &Envelope { message_id, ..Envelope::default() });
    let bad = with("/kind", json!("move"));
    assert_eq!(id(&bad, None).as_deref(), Some("NET-4312/1"));
    assert_eq!(id(&bad, Some("other")).as_deref(), Some("NET-4312/1"));
    assert_eq!(id(&json!({"kind": "move"}), Some("other")).as_deref(), Some("other"));
    assert_eq!(id(&json!([]), Some("other")).as_deref(), Some("other"));
    assert_eq!(id(&json!({"id": "\n"}), None), None);
}

#[test]
fn what_is_left_out_has_its_default() {
    let grant = read(&good()).unwrap();
    assert_eq!((grant.kind, grant.mode, grant.attachments), (Kind::Grant, Mode::Apply, Attachments::Refuse));
    assert_eq!(grant.order_type, Some(OrderType::PayByCenOwner));
    assert_eq!((grant.not_before, grant.not_after), (None, None));
    assert!(grant.labels.is_empty());
    let revoke = read(&with("/kind", json!("revoke"))).unwrap();
    assert_eq!((revoke.order_type, revoke.attachments), (None, Attachments::Refuse));
    let ccn = json!({"type": "CCN", "id": "ccn-bp1h8vbrbcgohcju50003", "region": "cn-hangzhou", "owner": "1"});
    assert_eq!(read(&with("/instance", ccn)).unwrap().order_type, None, "the grant of a CCN has no payer");
}

#[test]
fn a_byte_order_mark_before_a_job_is_passed_over() {
    let marked = [b"\xef\xbb\xbf", good().to_string().as_bytes()].concat();
    let envelope = Envelope { routing_key: "job.grant", ..Envelope::default() };
    assert_eq!(parse(&marked, &envelope).unwrap(), read(&good()).unwrap());
}

#[test]
fn a_time_that_means_never_is_the_last_instant_there_is() {
    let until = |text: &str| read(&with("/not_after", json!(text))).map(|job| job.not_after.unwrap().to_string());
    for never in
        ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59-05:00", "9999-12-30T23:00:00Z"]
    {
        assert_eq!(until(never).unwrap(), jiff::Timestamp::MAX.to_string(), "{never}");
    }
    assert_eq!(until("9999-12-30T21:00:00Z").unwrap(), "9999-12-30T21:00:00Z");
    for wrong in
        ["9999-12-31", "9999-12-31T23:59:59", "9999-12-31T25:00:00Z", "9999-12-31T23:59Z", "10000-01-01T00:00:00Z"]
    {
        until(wrong).unwrap_err();
    }
}

#[test]
fn the_id_is_that_of_the_body_or_else_of_the_message() {
    let id = |body: &Value, message_id| {
        let envelope = Envelope { message_id, routing_key: "job.grant", ..Envelope::default() };
        parse(body.to_string().as_bytes(), &envelope).unwrap().id.to_string()
    };
    let mut nameless = good();
    nameless.as_object_mut().unwrap().remove("id");
    assert_eq!(id(&good(), Some("m-1")), "NET-4312/1");
    assert_eq!(id(&nameless, Some("m-1")), "m-1");
    let most = " ~".repeat(64);
    assert_eq!(id(&with("/id", json!(most)), None), most, "128 printable characters");
}

#[test]
fn jobs_of_one_meaning_have_one_digest() {
    let digest = |body: &Value| read(body).unwrap().digest();
    let same = digest(&good());
    for (what, body) in [
        ("an owner as an integer", with("/instance/owner", json!(1_688_000_000_000_001_u64))),
        ("the default payer, said", with("/order_type", json!("PayByCenOwner"))),
        ("the default mode, said", with("/mode", json!("apply"))),
        ("no options", with("/options", json!({}))),
        ("labels", with("/labels", json!({"ticket": "NET-4312"}))),
    ] {
        assert_eq!(digest(&body), same, "{what}");
    }
    let at = |time: &str| digest(&with("/not_before", json!(time)));
    assert_eq!(at("2026-11-21T10:00:00Z"), at("2026-11-21T18:00:00.000+08:00"), "one instant");
    assert_ne!(at("2026-11-21T10:00:00Z"), same);
}

#[test]
fn jobs_of_different_meaning_have_different_digests() {
    let bodies = [
        good(),
        with("/id", json!("NET-4312/2")),
        with("/kind", json!("revoke")),
        with("/order_type", json!("PayByResourceOwner")),
        with("/mode", json!("plan")),
        with("/instance/id", json!("vpc-bp1h8vbrbcgohcju50004")),
        with("/instance/region", json!("cn-beijing")),
        with("/instance/owner", json!("1688000000000002")),
        with("/cen/id", json!("cen-44m0p68spvlrqq0002")),
        with("/cen/owner", json!("1250123456123457")),
        with("/not_after", json!("2026-11-21T10:00:00Z")),
        with("/not_before", json!("2026-11-21T10:00:00Z")),
        with("/batch", json!({"id": "B", "size": 3})),
        with("/batch", json!({"id": "B", "size": 4})),
        with("/batch", json!({"id": "B", "size": 3, "on_failure": "stop"})),
        with("/batch", json!({"id": "C", "size": 3})),
    ];
    let digests: BTreeSet<String> = bodies.iter().map(|body| read(body).unwrap().digest()).collect();
    assert_eq!(digests.len(), bodies.len());
    let mut deleting = with("/kind", json!("revoke"));
    deleting["options"] = json!({"attachments": "delete"});
    assert!(!digests.contains(&read(&deleting).unwrap().digest()));
}

#[test]
fn a_message_with_the_jobs_of_a_batch_says_where_each_fault_is() {
    let whole = |body: &Value| {
        let envelope = Envelope { routing_key: "batch", reserved: RESERVED, ..Envelope::default() };
        let body = body.to_string();
        assert!(is_whole(body.as_bytes()));
        parse_whole(body.as_bytes(), &envelope)
    };
    let at = |body: &Value| -> Vec<String> { whole(body).unwrap_err().into_iter().map(|fault| fault.at).collect() };
    let two = json!({"batch": {"id": "B", "on_failure": "stop"}, "jobs": [good(), with("/id", json!("2"))]});
    let jobs = whole(&two).unwrap();
    assert_eq!(jobs.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["NET-4312/1", "2"]);
    assert!(jobs.iter().all(|job| job.batch.as_ref().is_some_and(|batch| batch.size == 2)));
    let alone = with("/batch", json!({"id": "B", "size": 2, "on_failure": "stop"}));
    assert_eq!(jobs[0].digest(), read(&alone).unwrap().digest(), "sent alone it is the same job");

    let changed = |pointer: &str, value: Value| {
        let mut body = two.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match body.pointer_mut(parent).unwrap() {
            Value::Array(list) => list[name.parse::<usize>().unwrap()] = value,
            parent => parent[name] = value,
        }
        body
    };
    for (pointer, value) in [
        ("/jobs/1/instance/id", json!("cen-1")),
        ("/jobs/0/kind", json!("move")),
        ("/jobs/1/batch", json!({"id": "C", "size": 1})),
        ("/jobs/1", json!(7)),
        ("/jobs/1/id", json!("NET-4312/1")),
        ("/batch/size", json!(2)),
        ("/batch/id", json!("")),
        ("/jobs", json!("none")),
        ("/more", json!(1)),
    ] {
        assert_eq!(at(&changed(pointer, value)), [pointer]);
    }
    let mut without_id = two.clone();
    without_id["jobs"][0].as_object_mut().unwrap().remove("id");
    assert_eq!(at(&without_id), ["/jobs/0/id"]);
    let many = |jobs: usize| {
        let jobs = (0..jobs).map(|n| json!({"id": n.to_string(), "kind": "move"}));
        whole(&json!({"batch": {"id": "B"}, "jobs": jobs.collect::<Vec<_>>()})).unwrap_err()
    };
    assert_eq!(many(1001)[0].at, "/jobs");
    let faults = many(900);
    assert!(faults.len() <= 50 && json!(faults).to_string().len() < 7 << 10, "{}", faults.len());
    for job in [good(), json!({"jobs": 1, "x": 2})] {
        assert_eq!(is_whole(job.to_string().as_bytes()), job.get("jobs").is_some());
    }
    assert!(!is_whole(with("/labels", json!({"x": "\"jobs\""})).to_string().as_bytes()));
}

#[test]
fn bounds_are_within_what_is_allowed() {
    let labels = (0..16).map(|n| (format!("{n:0>64}"), json!("x".repeat(256))));
    let job = read(&with("/labels", Value::Object(labels.collect()))).unwrap();
    assert_eq!(job.labels.len(), 16);
    let text = good().to_string();
    let full = format!("{text}{}", " ".repeat(MAX_BODY - text.len()));
    assert!(parse(full.as_bytes(), &Envelope { routing_key: "job.grant", ..Envelope::default() }).is_ok());
    let mut span = with("/not_before", json!("2026-11-21T10:00:00Z"));
    span["not_after"] = json!("2026-11-21T10:00:00Z");
    assert!(read(&span).is_ok(), "one instant is enough to begin in");
    for routing_key in ["job.grant", "crossgrant.jobs", "", "jobs.grant"] {
        let envelope = Envelope { routing_key, reply_to: Some("crossgrant-answers"), ..Envelope::default() };
        assert!(parse(text.as_bytes(), &envelope).is_ok(), "{routing_key}");
    }
}

#[test]
fn a_job_is_read_back_as_it_was_taken() {
    let mut body = with("/labels", json!({"ticket": "NET-4312"}));
    body["not_before"] = json!("2026-11-21T10:00:00Z");
    let job = read(&body).unwrap();
    let kept: Job = serde_json::from_str(&serde_json::to_string(&job).unwrap()).unwrap();
    assert_eq!((kept.digest(), &kept), (job.digest(), &job));
}

proptest! {
    #[test]
    fn no_bytes_whatever_are_more_than_refused(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let faults = parse(&body, &Envelope::default()).unwrap_err();
        prop_assert!((1..=50).contains(&faults.len()));
    }

    #[test]
    fn a_good_message_with_one_byte_changed_is_still_a_job_or_refused(at in 0..300_usize, byte in any::<u8>()) {
        let mut body = good().to_string().into_bytes();
        let at = at % body.len();
        body[at] = byte;
        let envelope = Envelope { routing_key: "job.grant", ..Envelope::default() };
        if let Err(faults) = parse(&body, &envelope) {
            prop_assert!(!faults.is_empty() && faults.iter().all(|fault| !fault.message.is_empty()));
        }
    }
}
