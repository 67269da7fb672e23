//! A machine that boots with a wrong clock: the worker goes by the cloud's from its first answer on.

use super::*;
use crate::support::plant::{NOT_GRANTED, grant, with};

#[tokio::test]
async fn a_worker_on_a_machine_with_a_wrong_clock_does_everything_in_time() {
    for ahead in STEPS {
        let scene = Scene::on(Stock::Memory, ahead).await;
        let uid = scene.job(payer_change("NET-1", ATTACHED, "PayByResourceOwner")).await;
        assert_eq!(scene.run_to_the_end().await, State::Completed, "{ahead:#}");
        let (record, writes) = (scene.record(uid).await, scene.effects());
        assert_eq!(writes.len(), 2, "{ahead:#}: {writes:?}");
        let ended = record.phase.finished_at().unwrap();
        assert!((at("11:00:00")..at("11:00:35")).contains(&ended), "{ahead:#}: it says {ended}");
        assert!(scene.took() < Duration::from_secs(40 * 60 + 35), "{ahead:#}: {:?}", scene.took());
    }
}

#[tokio::test]
async fn a_job_with_a_time_of_its_own_begins_and_expires_by_the_clouds_clock() {
    for ahead in STEPS {
        let scene = Scene::on(Stock::Memory, ahead).await;
        let job = with(grant("NET-1", NOT_GRANTED), "order_type", "PayByCenOwner".into());
        let job = with(job, "not_before", "2026-11-21T10:50:00Z".into());
        let uid = scene.job(with(job, "not_after", "2026-11-21T10:51:00Z".into())).await;
        assert_eq!(scene.run_to_the_end().await, State::Completed, "{ahead:#}: {}", scene.record(uid).await.why);
        let wrote = scene.cloud.ledger()[0].at;
        // A clock that is within two seconds of the cloud's is right.
        assert!((at("10:49:58")..at("10:50:10")).contains(&wrote), "{ahead:#}: it wrote at {wrote}");
    }
}

/// By the wrong clock its time has come, so it gets a place in the queue of its instance, and the cloud then tells otherwise.
#[tokio::test]
async fn a_job_whose_time_is_still_to_come_lets_those_behind_it_pass() {
    for ahead in [SignedDuration::from_hours(1), SignedDuration::from_hours(72)] {
        let scene = Scene::on(Stock::Memory, ahead).await;
        scene.line.cut(true);
        let to_pay = |id: &str| with(grant(id, NOT_GRANTED), "order_type", "PayByCenOwner".into());
        let later = scene.job(with(to_pay("NET-1"), "not_before", "2026-11-21T10:50:00Z".into())).await;
        let behind = scene.job(to_pay("NET-2")).await;
        scene.run_to(at("10:20:20")).await;
        scene.line.cut(false);
        scene.run_to(at("10:21:00")).await;
        let (record, first) = (scene.record(behind).await, scene.record(later).await);
        assert_eq!(record.state(), State::Completed, "{ahead:#}: {}", record.why);
        assert!(!first.phase.in_queue() && first.phase.due() == Some(at("10:50:00")), "{ahead:#}: {:?}", first.phase);
        scene.run_to(at("10:50:10")).await;
        assert_eq!(scene.record(later).await.state(), State::Completed, "{ahead:#}");
    }
}

/// Every call is lost, and the clock is put right before one is answered.
#[tokio::test]
async fn what_a_wrong_clock_put_off_is_looked_at_once_the_clock_is_right() {
    for ahead in STEPS {
        let scene = Scene::on(Stock::Memory, ahead).await;
        scene.cloud.inject(InjectedFault::new("*", FaultKind::DropBefore).times(u32::MAX));
        let uid = scene.job(payer_change("NET-1", UNATTACHED, "PayByResourceOwner")).await;
        scene.run_to(at("10:20:20")).await;
        scene.machine.step(-ahead);
        scene.run_to(at("10:20:40")).await;
        scene.cloud.clear_faults();
        assert_eq!(scene.run_to_the_end().await, State::Completed, "{ahead:#}: {}", scene.record(uid).await.why);
        assert!(scene.took() < Duration::from_secs(120), "{ahead:#}: {:?}", scene.took());
    }
}

#[tokio::test]
async fn before_the_cloud_has_answered_nothing_expires_or_begins_by_its_time() {
    // A clock that is further off is refused, and hears the time by that.
    for ahead in [SignedDuration::from_mins(10), SignedDuration::from_mins(-10)] {
        let scene = Scene::on(Stock::Memory, ahead).await;
        scene.cloud.inject(InjectedFault::new("*", FaultKind::DropBefore).times(u32::MAX));
        let job = with(grant("NET-1", NOT_GRANTED), "order_type", "PayByCenOwner".into());
        let uid = scene.job(with(job, "not_after", "2026-11-21T10:25:00Z".into())).await;
        scene.run_to(at("10:21:00")).await;
        let record = scene.record(uid).await;
        assert_eq!(record.state(), State::Queued, "{ahead:#}: {}", record.why);
        assert!(record.why.contains("until the cloud has told the time"), "{}", record.why);
        scene.cloud.clear_faults();
        assert_eq!(scene.run_to_the_end().await, State::Completed, "{ahead:#}: {}", scene.record(uid).await.why);
        assert!(scene.took() < Duration::from_secs(120), "{ahead:#}: {:?}", scene.took());
    }
}
