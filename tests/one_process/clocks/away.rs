//! A worker that was off: killed under a write and started at once with another clock, or switched off for three days.

use super::*;
use crate::support::plant::{NOT_GRANTED, grant, with};
use crossgrant::engine::ports::store::Store as _;

in_memory_and_in_a_database! {
    what_a_worker_put_off_by_a_wrong_clock_is_looked_at_by_the_next,
}

/// The first worker never hears from the cloud.
async fn what_a_worker_put_off_by_a_wrong_clock_is_looked_at_by_the_next(stock: Stock) {
    for lasts in ["10:20:00", "10:20:20"] {
        for ahead in [SignedDuration::from_mins(10), SignedDuration::from_hours(72)] {
            let mut scene = Scene::on(stock, ahead).await;
            scene.line.cut(true);
            let uid = scene.job(payer_change("NET-1", UNATTACHED, "PayByResourceOwner")).await;
            scene.run_to(at(lasts)).await;
            scene.kill().await;
            scene.machine.step(-ahead);
            scene.line.cut(false);
            scene.restart().await;
            assert_eq!(scene.run_to_the_end().await, State::Completed, "{ahead:#}: {}", scene.record(uid).await.why);
            // In a database the leases of the first worker end, or it has reclaimed them.
            assert!(scene.took() < Duration::from_secs(180), "{ahead:#} at {lasts}: {:?}", scene.took());
        }
    }
}

#[tokio::test]
async fn a_job_that_waits_for_its_time_is_left_alone() {
    let mut scene = Scene::on(Stock::Memory, SignedDuration::ZERO).await;
    let job = with(grant("NET-1", NOT_GRANTED), "order_type", "PayByCenOwner".into());
    let uid = scene.job(with(job, "not_before", "2026-11-21T20:00:00Z".into())).await;
    let accepted = scene.record(uid).await.revision;
    scene.run_to(at("10:20:20")).await;
    scene.kill().await;
    scene.restart().await;
    scene.run_to(at("19:00:00")).await;
    assert_eq!(scene.record(uid).await.revision, accepted, "nothing looked at it");
    assert_eq!(scene.run_to_the_end().await, State::Completed, "{}", scene.record(uid).await.why);
    assert!(scene.took() < Duration::from_secs(9 * 3600 + 41 * 60), "{:?}", scene.took());
}

/// The write of the killed worker lands eight seconds after it was sent.
#[tokio::test]
async fn a_worker_that_starts_with_another_clock_waits_for_the_write_of_the_one_before() {
    for by in STEPS {
        let mut scene = Scene::on(Stock::Memory, SignedDuration::ZERO).await;
        scene.cloud.inject(InjectedFault::new(REVOKE, FaultKind::HangBefore));
        scene.job(payer_change("NET-1", UNATTACHED, "PayByResourceOwner")).await;
        scene.run_until_held(REVOKE).await;
        scene.kill().await;
        scene.machine.step(by);
        scene.restart().await;
        scene.run_for(Duration::from_secs(8)).await;
        scene.cloud.release();
        let ended = scene.run_to_the_end().await;
        let writes = scene.effects();
        assert_eq!((ended, writes.len()), (State::Completed, 2), "{by:#}: {writes:?}");
        assert!(scene.took() < Duration::from_secs(20), "{by:#}: {:?}", scene.took());
    }
}

/// It looks again before it gives up what waits for the hour, although the time for that is long over.
#[tokio::test]
async fn what_waited_while_the_worker_was_off_is_not_given_up_by_one_failed_read() {
    for failed in [1, 3] {
        let mut scene = Scene::on(Stock::Memory, SignedDuration::ZERO).await;
        let uid = scene.job(payer_change("NET-1", ATTACHED, "PayByResourceOwner")).await;
        scene.run_to(at("10:40:00")).await;
        scene.kill().await;
        scene.truth.advance(Duration::from_secs(3 * 86_400));
        let fault = InjectedFault::new("DescribeGrantRulesToCen", FaultKind::Http { status: 503 });
        scene.cloud.inject(fault.times(failed));
        scene.restart().await;
        assert_eq!(scene.run_to_the_end().await, State::Completed, "{failed}: {}", scene.record(uid).await.why);
        let said = scene.store.events(uid).await.unwrap();
        assert!(!said.iter().any(|event| event.contains("job.overdue")), "it was tried {failed} times");
    }
}

/// The same of a job that was tried again and again when it was switched off.
#[tokio::test]
async fn what_was_tried_while_the_worker_was_on_is_not_given_up_by_one_failed_try() {
    let mut scene = Scene::on(Stock::Memory, SignedDuration::ZERO).await;
    let fault = InjectedFault::new("DescribeGrantRulesToResource", FaultKind::Http { status: 503 });
    scene.cloud.inject(fault.times(6));
    let uid = scene.job(payer_change("NET-1", UNATTACHED, "PayByResourceOwner")).await;
    scene.run_to(at("10:20:20")).await;
    scene.kill().await;
    scene.truth.advance(Duration::from_secs(3 * 86_400));
    scene.restart().await;
    assert_eq!(scene.run_to_the_end().await, State::Completed, "{}", scene.record(uid).await.why);
}
