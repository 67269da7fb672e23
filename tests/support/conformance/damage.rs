//! The promise about rows that somebody has damaged. Who damages them is not of the port, so each store's own test says how.

use super::fixtures::*;
use crossgrant::engine::ports::store::{Filter, Store, StoreError};

/// `execute` runs one statement on the tables of the store that changes one row.
pub async fn damaged_rows_cost_themselves_alone(store: &dyn Store, execute: impl AsyncFn(&str)) {
    let mut records: Vec<_> = (1..=4).map(record).collect();
    records.extend([in_batch(record(5), "B", 4), in_batch(record(6), "C", 4)]);
    take(store, &records).await;
    let_wait(store, 2, 5).await;
    let whole = [load(store, 2).await, load(store, 3).await];
    let (before, batches) = (store.counts().await.unwrap(), store.batches(true, None, 9).await.unwrap());
    assert_eq!((before.unreadable.len(), store.unreadable(), batches.len()), (0, 0, 2));
    execute("UPDATE jobs SET record = '{}' WHERE job_id = 'job-2'").await;
    execute("UPDATE jobs SET record = 'no JSON' WHERE job_id = 'job-3'").await;
    execute("UPDATE batches SET record = '{}' WHERE batch_id = 'C'").await;

    let list = async |limit, before| {
        let filter = Filter { limit, before, ..Filter::default() };
        store.list(&filter).await.unwrap().into_iter().map(|record| record.uid).collect::<Vec<_>>()
    };
    assert_eq!(list(9, None).await, [6, 5, 4, 1].map(uid));
    assert_eq!(list(2, Some(uid(5))).await, [4, 1].map(uid), "a page that is short would be the last one");
    let job = &whole[0].job;
    assert_eq!(store.waiting_on(&job.instance.id, &job.cen.id).await.unwrap(), []);
    assert_eq!(store.find_by_id(&job.id).await.unwrap(), []);
    let named = store.find(&whole[0].requester, &job.id).await;
    assert!(matches!(named, Err(StoreError::Corrupt(_))), "it is not unknown: {named:?}");
    assert!(matches!(store.load(uid(3)).await, Err(StoreError::Corrupt(_))));
    let open = store.batches(true, None, 1).await.unwrap();
    assert_eq!(open.iter().map(|batch| batch.terms.id.as_str()).collect::<Vec<_>>(), ["B"]);
    assert_eq!(store.batches_by_id(&batches[0].terms.id).await.unwrap().len(), 0, "the newest is C");
    let groups = store.swept_groups(at(6)).await.unwrap();
    assert_eq!(store.swept(&groups[0].0, at(6), None, 10).await.unwrap(), []);
    store.release_group(&groups[0].0).await.unwrap();
    assert_eq!(
        claimed(store, 6).await.into_iter().collect::<std::collections::BTreeSet<_>>(),
        [1, 4, 5, 6].map(uid).into()
    );

    let counts = store.counts().await.unwrap();
    let told: Vec<_> = counts.unreadable.iter().map(|row| (row.uid, row.is_batch)).collect();
    assert_eq!(told, [(uid(2), false), (uid(3), false), (batches[0].uid, true)]);
    assert_eq!(store.unreadable(), 3);
    assert!(counts.unreadable[0].why.contains("cannot be read"), "{counts:?}");
    assert_eq!(counts.jobs, before.jobs, "they are what they were");

    for record in &whole {
        let text = serde_json::to_string(record).unwrap();
        execute(&format!("UPDATE jobs SET record = '{text}' WHERE job_id = '{}'", record.job.id)).await;
    }
    assert_eq!(store.counts().await.unwrap().unreadable.len(), 1, "they were mended");
    assert_eq!(list(9, None).await.len(), 6);
}
