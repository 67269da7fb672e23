//! Promises about batches.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fixtures::*;
use crossgrant::domain::{BatchId, Requester};
use crossgrant::engine::batch::{Batch, Tally};
use crossgrant::engine::ports::store::{BatchChange, Committed, Filter, Misfit, OutboundMessage, Store, Taken, Whole};
use crossgrant::engine::record::{Record, State};

type S = Arc<dyn Store>;

fn batch_of(record: &Record) -> Batch {
    new_batch(record).unwrap().batch
}

async fn found(store: &dyn Store, record: &Record) -> (Batch, Tally) {
    store.batch(record.batch().unwrap()).await.unwrap().unwrap()
}

/// A change on the batch as it is stored.
async fn next(store: &dyn Store, record: &Record, outbound: Vec<OutboundMessage>) -> BatchChange {
    let (batch, tally) = found(store, record).await;
    BatchChange { batch: Batch { revision: batch.revision + 1, ..batch }, members: tally.members, outbound }
}

/// Ends the batch of `record`.
async fn end(store: &dyn Store, record: &Record) {
    let (batch, _) = found(store, record).await;
    let mut change = next(store, record, vec![batch_event(&batch, 3, true)]).await;
    change.batch.ended_at = Some(at(90));
    assert_eq!(store.commit_batch(change).await.unwrap(), Committed::Done);
}

async fn said(store: &dyn Store) -> Vec<String> {
    outbox(store).await.into_iter().map(|(_, _, key, _)| key).collect()
}

pub async fn jobs_get_into_their_batch(store: S) {
    let members = [1, 2, 3].map(|n| in_batch(record(n), "B", 4));
    take(&*store, &members[..2]).await;
    take(&*store, &members[2..]).await;
    fail(&*store, 2).await;
    let (batch, tally) = found(&*store, &members[0]).await;
    assert_eq!(batch, batch_of(&members[0]));
    assert_eq!(tally, Tally { members: 3, states: BTreeMap::from([(State::Queued, 2), (State::Failed, 1)]) });
    let accepted = ["batch.accepted", "job.accepted", "job.accepted", "job.accepted"];
    assert_eq!(said(&*store).await, accepted, "of the batch once");
    let filter = Filter { batch: members[0].batch(), limit: 10, ..Filter::default() };
    take(&*store, &[record(4), in_batch(record(5), "other", 4)]).await;
    let listed: Vec<_> = store.list(&filter).await.unwrap().into_iter().map(|record| record.uid).collect();
    assert_eq!(listed, [uid(3), uid(2), uid(1)]);
    let failed = Filter { states: vec![State::Failed], ..filter };
    assert_eq!(store.list(&failed).await.unwrap().len(), 1);
}

pub async fn a_repeated_job_counts_once(store: S) {
    let member = in_batch(record(1), "B", 2);
    let again = Record { uid: uid(2), ..member.clone() };
    let taken = store.take(vec![arrival(&member), arrival(&again)]).await.unwrap();
    assert_eq!(taken, [Taken::New(uid(1)), Taken::Repeated(uid(1))]);
    assert_eq!(store.take(vec![arrival(&again)]).await.unwrap(), [Taken::Repeated(uid(1))]);
    assert_eq!(found(&*store, &member).await.1.members, 1);
}

pub async fn what_does_not_fit_leaves_no_trace(store: S) {
    take(&*store, &[in_batch(record(1), "B", 1)]).await;
    let late = in_batch(record(200), "never-begun", 2);
    let misfits = [
        (in_batch(record(2), "B", 2), Misfit::Differs),
        (in_batch(record(3), "B", 1), Misfit::Full),
        (late.clone(), Misfit::Closed),
    ];
    for (member, misfit) in &misfits {
        let again = Record { uid: uid(999), ..member.clone() };
        let taken = store.take(vec![arrival(member), arrival(&again)]).await.unwrap();
        assert_eq!(taken, [Taken::Misfit(*misfit); 2]);
        assert_eq!(store.load(member.uid).await.unwrap(), None);
    }
    assert_eq!(store.batch(late.batch().unwrap()).await.unwrap(), None, "it was not begun");
    assert_eq!(found(&*store, &in_batch(record(1), "B", 1)).await.1.members, 1);
    assert_eq!(said(&*store).await, ["batch.accepted", "job.accepted"]);
    let alone = Record { job: record(2).job, ..record(2) };
    take(&*store, &[alone]).await;
}

pub async fn the_last_place_in_a_batch_is_taken_by_one(store: S) {
    let mut races = Vec::new();
    for n in 1..=8 {
        let store = Arc::clone(&store);
        let message = arrival(&in_batch(record(n), "B", 3));
        races.push(tokio::spawn(async move { store.take(vec![message]).await.unwrap().remove(0) }));
    }
    let mut new = 0;
    for race in races {
        match race.await.unwrap() {
            Taken::New(_) => new += 1,
            other => assert_eq!(other, Taken::Misfit(Misfit::Full)),
        }
    }
    let (_, tally) = found(&*store, &in_batch(record(1), "B", 3)).await;
    assert_eq!((new, tally.members, tally.states.values().sum::<u64>()), (3, 3, 3));
}

pub async fn all_are_taken_or_none(store: S) {
    take(&*store, &[record(1)]).await;
    empty_outbox(&*store).await;
    let members = |size| [2, 3, 4].map(|n| in_batch(record(n), "B", size));
    let mut used = members(3);
    used[1].job.id = record(1).job.id;
    let refused = store.take_whole(used.iter().map(arrival).collect()).await.unwrap();
    assert_eq!(refused, Whole::Refused(vec![(1, Taken::Reused(uid(1003)))]));
    let refused = store.take_whole(members(2).iter().map(arrival).collect()).await.unwrap();
    assert_eq!(refused, Whole::Refused(vec![(2, Taken::Misfit(Misfit::Full))]));
    for n in 2..=4 {
        assert_eq!(store.load(uid(n)).await.unwrap(), None);
    }
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.rejected, counts.outbox, counts.jobs.values().sum::<u64>()), (0, 0, 1));
    assert_eq!(store.batch(members(3)[0].batch().unwrap()).await.unwrap(), None);
    let taken = store.take_whole(members(3).iter().map(arrival).collect()).await.unwrap();
    assert_eq!(taken, Whole::Taken([2, 3, 4].map(|n| Taken::New(uid(n))).to_vec()));
    assert_eq!(found(&*store, &members(3)[0]).await.1.members, 3);
    assert_eq!(store.counts().await.unwrap().jobs.values().sum::<u64>(), 4);
}

pub async fn all_of_them_again_are_repetitions(store: S) {
    let members = [1, 2].map(|n| in_batch(record(n), "B", 2));
    store.take_whole(members.iter().map(arrival).collect()).await.unwrap();
    let again = store.take_whole(members.iter().map(arrival).collect()).await.unwrap();
    assert_eq!(again, Whole::Taken(vec![Taken::Repeated(uid(1)), Taken::Repeated(uid(2))]));
    assert_eq!(found(&*store, &members[0]).await.1.members, 2);
}

pub async fn a_batch_is_changed_by_one(store: S) {
    let member = in_batch(record(1), "B", 1);
    take(&*store, std::slice::from_ref(&member)).await;
    let change = next(&*store, &member, vec![batch_event(&batch_of(&member), 2, true)]).await;
    let mut races = Vec::new();
    for _ in 0..8 {
        let (store, change) = (Arc::clone(&store), change.clone());
        races.push(tokio::spawn(async move { store.commit_batch(change).await.unwrap() }));
    }
    let mut done = 0;
    for race in races {
        done += usize::from(race.await.unwrap() == Committed::Done);
    }
    assert_eq!(done, 1);
    assert_eq!(store.events(member.batch().unwrap()).await.unwrap().len(), 2);
    assert_eq!(said(&*store).await.iter().filter(|key| *key == "batch.ended").count(), 1);
    end(&*store, &in_batch(record(1), "B", 1)).await;
    let after = next(&*store, &member, vec![]).await;
    assert_eq!(store.commit_batch(after).await.unwrap(), Committed::Conflict, "it has ended");
    assert_eq!(store.take(vec![arrival(&in_batch(record(2), "B", 1))]).await.unwrap(), [Taken::Misfit(Misfit::Full)]);
}

pub async fn a_job_that_comes_meanwhile_is_not_missed(store: S) {
    let members = [1, 2].map(|n| in_batch(record(n), "B", 3));
    take(&*store, &members[..1]).await;
    let decided = next(&*store, &members[0], vec![]).await;
    take(&*store, &members[1..]).await;
    assert_eq!(store.commit_batch(decided).await.unwrap(), Committed::Conflict);
    end(&*store, &members[0]).await;
    let late = in_batch(record(3), "B", 3);
    assert_eq!(store.take(vec![arrival(&late)]).await.unwrap(), [Taken::Misfit(Misfit::Closed)]);
}

pub async fn its_end_goes_to_each_queue_once(store: S) {
    let member = |n: u32, queue: &str| with_reply(in_batch(record(n), "B", 3), queue, &format!("c{n}"));
    let members = [member(1, "a"), member(2, "a"), member(3, "b")];
    take(&*store, &members).await;
    empty_outbox(&*store).await;
    end(&*store, &members[0]).await;
    let to = |rows: &[(String, String, String, Option<String>)]| -> Vec<(String, Option<String>)> {
        rows.iter().map(|(_, _, key, correlation)| (key.clone(), correlation.clone())).collect()
    };
    let some = |text: &str| Some(text.to_owned());
    let told = [("batch.ended".to_owned(), some("first")), ("a".into(), some("c1")), ("b".into(), some("c3"))];
    assert_eq!(to(&outbox(&*store).await), told);
    empty_outbox(&*store).await;
    // Who asks again after the end is told at once, with the latest event of the job.
    let again = with_reply(in_batch(record(1), "B", 3), "c", "c9");
    assert_eq!(store.take(vec![arrival(&again)]).await.unwrap(), [Taken::Repeated(uid(1))]);
    let rows = outbox(&*store).await;
    assert_eq!(to(&rows), [("c".to_owned(), some("c9")), ("c".to_owned(), some("c9"))]);
    let end = format!("{}.3", again.batch().unwrap());
    assert_eq!([&rows[0].0, &rows[1].0], [&format!("{}.1", uid(1)), &end]);
    // Also who was told already, and not for each of the jobs.
    for members in [&members[..2], &members[1..2]] {
        empty_outbox(&*store).await;
        let taken = store.take(members.iter().map(arrival).collect()).await.unwrap();
        assert!(taken.iter().all(|taken| matches!(taken, Taken::Repeated(_))), "{taken:?}");
        let rows = outbox(&*store).await;
        assert_eq!(rows.iter().filter(|row| row.0 == end).count(), 1, "{rows:?}");
        assert!(rows.iter().all(|row| row.2 == "a"), "{rows:?}");
    }
}

pub async fn batches_are_found_and_listed(store: S) {
    let mut other = in_batch(record(3), "B", 1);
    other.requester = Requester::parse("bots").unwrap();
    let members = [in_batch(record(1), "B", 1), in_batch(record(2), "C", 1), other];
    take(&*store, &members).await;
    let id = BatchId::parse("B").unwrap();
    let by_id = store.batches_by_id(&id).await.unwrap();
    assert_eq!(by_id.iter().map(|batch| batch.requester.as_str()).collect::<Vec<_>>(), ["bots", "tickets"]);
    end(&*store, &members[1]).await;
    let uids = |batches: Vec<Batch>| batches.into_iter().map(|batch| batch.uid).collect::<Vec<_>>();
    let all = members.each_ref().map(|member| member.batch().unwrap());
    assert_eq!(uids(store.batches(false, None, 10).await.unwrap()), [all[2], all[1], all[0]]);
    assert_eq!(uids(store.batches(true, None, 10).await.unwrap()), [all[2], all[0]]);
    assert_eq!(uids(store.batches(false, Some(all[2]), 1).await.unwrap()), [all[1]]);
    assert_eq!(uids(store.batches(true, Some(all[2]), 9).await.unwrap()), [all[0]]);
    assert_eq!(store.batch(uid(77)).await.unwrap(), None);
}

pub async fn a_batch_outlives_its_jobs_and_keeps_them_until_it_has_ended(store: S) {
    let member = in_batch(record(1), "B", 2);
    take(&*store, std::slice::from_ref(&member)).await;
    set(&*store, 1, |record| ended_at(record, 60)).await;
    empty_outbox(&*store).await;
    assert_eq!(store.prune(at(1000)).await.unwrap(), 0, "its batch counts it");
    end(&*store, &member).await;
    assert_eq!(store.prune(at(1000)).await.unwrap(), 1);
    assert!(store.batch(member.batch().unwrap()).await.unwrap().is_some(), "its end is not published");
    empty_outbox(&*store).await;
    store.prune(at(1000)).await.unwrap();
    assert_eq!(store.batch(member.batch().unwrap()).await.unwrap(), None);
    assert!(store.events(member.batch().unwrap()).await.unwrap().is_empty());
    take(&*store, &[in_batch(record(2), "B", 2)]).await;
}

pub async fn what_was_said_of_a_batch_is_published_again(store: S) {
    let member = in_batch(record(1), "B", 1);
    take(&*store, std::slice::from_ref(&member)).await;
    empty_outbox(&*store).await;
    let batch = member.batch().unwrap();
    let kept: Vec<u32> = store.kept_events(&[batch]).await.unwrap().into_iter().map(|event| event.sequence).collect();
    assert_eq!(kept, [1]);
    assert_eq!(store.publish_again(&[(batch, 1), (batch, 2)]).await.unwrap(), 1, "there is no second");
    assert_eq!(store.counts().await.unwrap().outbox, 1);
}
