//! What comes in: the same message several times, and messages that are no jobs.

use std::collections::BTreeSet;

use crossgrant::simulator::{FaultKind, InjectedFault};
use serde_json::{Value, json};

use super::{GRANT, HOUR, MODIFY, UPDATE, answers, completes_once, operations, place, site};
use crate::support::bad_messages::corpus;
use crate::support::crew::{Crew, for_one_and_two};
use crate::support::mailbox::{Mail, Place, Post};
use crate::support::plant::{ATTACHED, NOT_GRANTED};
use crate::support::site::{Options, Site, job, until};

for_one_and_two! {
    one_message_delivered_ten_times_is_one_run_and_one_answer,
    every_bad_message_is_answered_with_its_reasons_and_disturbs_nothing,
    an_id_used_again_and_a_bad_message_sent_again_are_answered_the_same_each_time,
}

fn post(site: &Site, job: &Value, correlation: &str) -> Post {
    Post {
        routing_key: format!("job.{}", job["kind"].as_str().unwrap()),
        correlation_id: Some(correlation.to_owned()),
        reply_to: Some(site.mail.answers_queue()),
        body: job.to_string().into_bytes(),
        ..Post::default()
    }
}

/// The ids of the terminal answers under one correlation id.
fn ends(all: &[Mail], correlation: &str) -> BTreeSet<String> {
    let answers = all.iter().filter(|m| m.place == Place::Answer && m.correlation_id.as_deref() == Some(correlation));
    answers.filter(|m| m.is_terminal()).map(|m| m.message_id.clone()).collect()
}

fn one_message_delivered_ten_times_is_one_run_and_one_answer(crew: Crew) {
    let site = place(crew, Options::default());
    site.cloud.inject(InjectedFault::new(UPDATE, FaultKind::HangBefore));
    let staff = site.staff();
    let worker = staff.one();
    let change = job("change", "payer-change", ATTACHED);
    let posts: Vec<Post> = (0..10).map(|n| post(&site, &change, &format!("ask-{n}"))).collect();
    site.mail.publish(&posts[..1]);
    site.cloud.wait_held(UPDATE);
    // While the first is in work, each gets what was said last, at once.
    site.mail.publish(&posts[1..5]);
    site.mail.wait("answers while it runs", |all| {
        let answered: BTreeSet<_> =
            all.iter().filter(|m| m.place == Place::Answer).filter_map(|m| m.correlation_id.clone()).collect();
        (answered.len() == 4).then_some(())
    });
    assert!(site.mail.terminal_ids("change").is_empty());
    site.cloud.mend();
    let end = completes_once(&site, worker, "change");
    site.mail.publish(&posts[5..]);
    for n in 0..10 {
        let ask = format!("ask-{n}");
        let said = site.mail.wait(&format!("the end for {ask}"), |all| {
            let ends = ends(all, &ask);
            (!ends.is_empty()).then_some(ends)
        });
        assert_eq!(said, BTreeSet::from([end["id"].as_str().unwrap().to_owned()]), "{ask}");
    }
    assert_eq!(operations(&site, ATTACHED), [MODIFY, UPDATE, HOUR], "one set of writes");
    assert_eq!(answers(&site, MODIFY), "1 OK");
    let jobs: Value = serde_json::from_str(&worker.get("/v1/jobs").body).unwrap();
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1, "{jobs}");
}

/// Where the faults in a list are, sorted.
fn at(faults: &Value) -> Vec<String> {
    let faults = faults.as_array().unwrap_or_else(|| panic!("{faults}")).iter();
    let mut at: Vec<String> = faults.map(|fault| fault["at"].as_str().unwrap().to_owned()).collect();
    at.sort_unstable();
    at
}

fn every_bad_message_is_answered_with_its_reasons_and_disturbs_nothing(crew: Crew) {
    let site = place(crew, Options::default());
    let staff = site.staff();
    let worker = staff.one();
    let corpus = corpus(site.mail.prefix());
    let posts = corpus.iter().map(|bad| Post {
        routing_key: bad.routing_key.clone(),
        message_id: bad.message_id.clone(),
        correlation_id: Some(bad.name.to_owned()),
        reply_to: bad.reply_to.clone().or_else(|| Some(site.mail.answers_queue())),
        body: bad.body.clone(),
        ..Post::default()
    });
    let mut posts: Vec<Post> = posts.collect();
    posts.push(post(&site, &job("good", "grant", NOT_GRANTED), "good"));
    site.mail.publish(&posts);
    completes_once(&site, worker, "good");
    assert_eq!(operations(&site, NOT_GRANTED), [GRANT]);

    let of = |all: &[Mail], place, name: &str| -> Vec<Mail> {
        let mine = all.iter().filter(|m| m.place == place && m.correlation_id.as_deref() == Some(name));
        mine.cloned().collect()
    };
    for bad in &corpus {
        // Some wanted the answer where no answer may go.
        let answers = usize::from(bad.reply_to.is_none());
        let (dead, events, said) = site.mail.wait(&format!("what becomes of {}", bad.name), |all| {
            let found = [Place::Dead, Place::Event, Place::Answer].map(|place| of(all, place, bad.name));
            let [dead, events, said] = found;
            (!dead.is_empty() && !events.is_empty() && said.len() >= answers).then_some((dead, events, said))
        });
        let name = bad.name;
        assert_eq!((dead.len(), events.len(), said.len()), (1, 1, answers), "{name}");
        assert_eq!(dead[0].body, bad.body[..bad.body.len().min(64 << 10)], "{name}: the copy is what came");
        let reasons: Value = serde_json::from_str(&dead[0].headers["x-crossgrant-reasons"]).unwrap();
        assert_eq!(at(&reasons), bad.at, "{name}");
        assert_eq!(events[0].routing_key, "job.rejected", "{name}");
        let event = events[0].json();
        assert_eq!((&event["type"], &event["data"]["reason"]), (&json!("crossgrant.job.rejected"), &json!("invalid")));
        assert_eq!(event["data"]["faults"], reasons, "{name}");
        for answer in said {
            assert_eq!((answer.message_id.as_str(), &answer.body), (events[0].message_id.as_str(), &events[0].body));
        }
    }
    let rejected = format!("crossgrant_messages_rejected {}", corpus.len());
    // What is counted in the store is counted once a second.
    until("the rejections are counted", || {
        worker.get("/metrics").body.lines().any(|line| line == rejected).then_some(())
    });
    println!("{} kinds of bad message", corpus.len());
}

fn an_id_used_again_and_a_bad_message_sent_again_are_answered_the_same_each_time(crew: Crew) {
    let site = place(crew, Options::default());
    let staff = site.staff();
    let worker = staff.one();
    let first = job("once", "grant", NOT_GRANTED);
    site.mail.submit(&first);
    completes_once(&site, worker, "once");
    let mut other = first.clone();
    other["order_type"] = json!("PayByResourceOwner");
    let mut bad = first;
    bad["kind"] = json!("revoke");
    bad["order_type"] = json!("PayByResourceOwner");
    for (what, message, pointer, reason) in
        [("reused", other, "/id", "id-reused"), ("bad", bad, "/order_type", "invalid")]
    {
        let posts: Vec<Post> = (0..3).map(|n| post(&site, &message, &format!("{what}-{n}"))).collect();
        // One by one and then two at once: the same in one batch and in several.
        site.mail.publish(&posts[..1]);
        site.mail.publish(&posts[1..]);
        let ids: BTreeSet<String> = (0..3)
            .map(|n| {
                let correlation = format!("{what}-{n}");
                let answer = site.mail.wait(&correlation, |all| {
                    let mut answers = all.iter().filter(|m| m.place == Place::Answer);
                    answers.find(|m| m.correlation_id.as_ref() == Some(&correlation)).cloned()
                });
                let event = answer.json();
                assert_eq!(event["data"]["reason"], reason, "{event}");
                assert_eq!(at(&event["data"]["faults"]), [pointer]);
                answer.message_id
            })
            .collect();
        assert_eq!(ids.len(), 1, "{what}: one event, however often it is asked for");
    }
    site.mail.submit(&job("behind", "revoke", NOT_GRANTED));
    completes_once(&site, worker, "behind");
    let dead = site.mail.all().into_iter().filter(|m| m.place == Place::Dead);
    let dead: BTreeSet<String> = dead.map(|m| m.message_id).collect();
    assert_eq!(dead.len(), 2, "each under one id, so that a reader can tell");
}

#[test]
fn what_a_requester_sends_along_comes_back_and_never_breaks_the_way_back() {
    let site = site(&Options::default());
    let worker = site.worker();
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let grant = job("traced", "grant", NOT_GRANTED);
    let traced = Post { traceparent: Some(parent.into()), ..post(&site, &grant, &"c".repeat(255)) };
    // Nearly a whole frame of 128 KiB, in which our own headers travel as well.
    let mut bad = job("endless", "grant", NOT_GRANTED);
    bad["urgent"] = json!(true);
    let endless = Post { traceparent: Some("0".repeat(130_000)), ..post(&site, &bad, "endless") };
    site.mail.publish(&[endless, traced]);
    let end = completes_once(&site, &worker, "traced");
    assert_eq!(end["traceparent"], parent);
    let event = site.mail.event("rejected", "endless");
    assert_eq!(event["traceparent"], Value::Null);
}

#[test]
fn what_is_wrong_with_a_message_never_outgrows_the_headers_it_travels_in() {
    let site = site(&Options::default());
    let worker = site.worker();
    // As JSON, the name of each of these fields is six times as long as it is.
    let mut bad = job("worst", "grant", NOT_GRANTED);
    for n in 0..100 {
        bad[format!("{}{n:02}", "\u{1}".repeat(62))] = json!(true);
    }
    site.mail.publish(&[post(&site, &bad, "worst"), post(&site, &job("good", "grant", NOT_GRANTED), "good")]);
    completes_once(&site, &worker, "good");
    let faults = site.mail.event("rejected", "worst")["data"]["faults"].clone();
    let told = faults.as_array().unwrap().len();
    assert!((5..50).contains(&told), "{told}");
    let dead = site.mail.wait("the copy", |all| all.iter().find(|m| m.place == Place::Dead).cloned());
    let reasons: Value = serde_json::from_str(&dead.headers["x-crossgrant-reasons"]).unwrap();
    assert_eq!(reasons, faults);
}
