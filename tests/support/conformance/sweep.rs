//! Promises about what the sweep reads.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::fixtures::*;
use crossgrant::domain::{AccountUid, CenId, InstanceId, InstanceType};
use crossgrant::engine::ports::store::{Group, Store};
use crossgrant::engine::record::{Record, State};

type S = Arc<dyn Store>;

fn group() -> Group {
    Group { cen: record(1).job.cen, kind: InstanceType::VPC }
}

/// Takes in `count` jobs that wait until second 100.
async fn crowd(store: &dyn Store, count: u32) {
    take(store, &(1..=count).map(|n| waiting(record(n), at(100))).collect::<Vec<_>>()).await;
}

async fn pages(store: &dyn Store, limit: usize) -> Vec<Record> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.swept(&group(), at(100), after, limit).await.unwrap();
        assert!(page.len() <= limit);
        let Some(last) = page.last() else { return all };
        after = Some((last.job.instance.id.clone(), last.uid));
        all.extend(page);
        assert!(all.len() < 1000, "pages go round in a circle");
    }
}

pub async fn swept_jobs_are_not_claimed(store: S) {
    crowd(&*store, 2).await;
    assert_eq!(claimed(&*store, 1000).await, []);
    assert_eq!(store.next_due().await.unwrap(), None);
}

pub async fn a_group_is_one_cen_and_one_type(store: S) {
    let mut records: Vec<Record> = (1..=6).map(|n| waiting(record(n), at(100))).collect();
    records[1].job.instance.kind = InstanceType::VBR;
    records[1].job.instance.id = InstanceId::parse("vbr-bp1h8vbrbcgohcju50001").unwrap();
    records[2].job.cen.id = CenId::parse("cen-44m0p68spvlrqq0002").unwrap();
    records[3].job.cen.owner = AccountUid::parse("1250123456123457").unwrap();
    records[4].phase.rest_until(at(101));
    take(&*store, &records).await;
    take(&*store, &[record(7)]).await;
    assert_eq!(store.swept_groups(at(99)).await.unwrap(), []);
    let groups: std::collections::BTreeMap<Group, usize> =
        store.swept_groups(at(100)).await.unwrap().into_iter().collect();
    let of = |r: &Record| Group { cen: r.job.cen.clone(), kind: r.job.instance.kind };
    assert_eq!(groups, [(of(&records[0]), 2), (of(&records[1]), 1), (of(&records[2]), 1), (of(&records[3]), 1)].into());
    let vpcs: Vec<_> = pages(&*store, 10).await.into_iter().map(|r| r.uid).collect();
    assert_eq!(vpcs, [uid(1), uid(6)]);
}

pub async fn pages_cover_a_group_without_overlap(store: S) {
    crowd(&*store, 25).await;
    // Several on one instance, so that a page ends between them.
    take(&*store, &(101..=109).map(|n| waiting(record_on(n, 13), at(100))).collect::<Vec<_>>()).await;
    for limit in [1, 4, 34, 100] {
        let all = pages(&*store, limit).await;
        assert_eq!(all.len(), 34);
        assert_eq!(all.iter().map(|r| r.uid).collect::<BTreeSet<_>>().len(), 34);
        assert!(all.is_sorted_by_key(|r| (r.job.instance.id.clone(), r.uid)));
    }
}

pub async fn pages_stay_put_while_jobs_leave(store: S) {
    crowd(&*store, 10).await;
    let first = store.swept(&group(), at(100), None, 4).await.unwrap();
    for n in 1..=4 {
        set(&*store, n, |r| at_rest(r, State::Completed)).await;
    }
    let after = first.last().map(|r| (r.job.instance.id.clone(), r.uid));
    let rest: Vec<_> = store.swept(&group(), at(100), after, 100).await.unwrap().into_iter().map(|r| r.uid).collect();
    assert_eq!(rest, (5..=10).map(uid).collect::<Vec<_>>());
}

pub async fn next_sweep_is_the_first_due(store: S) {
    assert_eq!(store.next_sweep().await.unwrap(), None);
    take(&*store, &[waiting(record(1), at(300)), waiting(record(2), at(200)), record(3)]).await;
    assert_eq!(store.next_sweep().await.unwrap(), Some(at(200)));
    set(&*store, 2, |r| at_rest(r, State::Completed)).await;
    assert_eq!(store.next_sweep().await.unwrap(), Some(at(300)));
    set(&*store, 1, |r| waiting(r, at(500))).await;
    assert_eq!(store.next_sweep().await.unwrap(), Some(at(500)));
}

pub async fn a_job_in_doubt_is_not_swept(store: S) {
    crowd(&*store, 2).await;
    set(&*store, 1, |mut r| {
        r.wait.as_mut().unwrap().doubt = true;
        r
    })
    .await;
    assert_eq!(store.swept_groups(at(100)).await.unwrap(), [(group(), 1)]);
    assert_eq!(pages(&*store, 10).await.len(), 1);
    assert_eq!(claimed(&*store, 100).await, [uid(1)], "it looks for itself");
}
