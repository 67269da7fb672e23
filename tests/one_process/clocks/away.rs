//! A worker that was off: killed under a write and started at once with another clock, or switched off for three days.

use super::*;
use crossgrant::engine::ports::store::Store as _;

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
