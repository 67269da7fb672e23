//! A batch ends once wherever the worker is cut.

use crossgrant::engine::ports::crash_points::CrashPoint;

use super::*;
use crate::support::plant::{Stock, in_memory_and_in_a_database};

/// A grant, a payer change that waits for the hour, and a revoke that fails and stops what has not begun.
fn three() -> [Value; 3] {
    let jobs = [grant("1", NOT_GRANTED), payer_change("2", ATTACHED, "PayByResourceOwner"), failing("3")];
    jobs.map(|job| stopping(job, 3))
}

async fn send_twice(plant: &Plant, job: &Value) {
    let Taken::New(uid) = plant.send(job).await else { panic!("{job} is new") };
    assert_eq!(plant.send(job).await, Taken::Repeated(uid));
}

async fn ended_once(plant: &Plant, about: &str) -> Value {
    let kinds = kinds(plant).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "ended").count(), 1, "{about}: {kinds:?}");
    assert_eq!(kinds.last().map(String::as_str), Some("ended"), "{about}");
    let id = format!("{}.{}", batch(plant).await, kinds.len());
    let queued = plant.store().queued(0, 10_000).await;
    assert_eq!(queued.iter().filter(|row| row.outgoing.message_id == id).count(), 1, "{about}");
    end(plant).await
}

async fn cut_at_every_point(stock: Stock) {
    let points = [CrashPoint::AfterCommit, CrashPoint::BeforeWrite, CrashPoint::BeforeSend, CrashPoint::AfterWrite];
    // Of the others nothing that a batch is told by depends on the store.
    let points = if let Stock::Memory = stock { &points[..] } else { &points[..1] };
    for point in points.iter().copied() {
        for nth in 0.. {
            let plant = Plant::on(stock).await;
            plant.script.cut_at(point, nth);
            for job in three() {
                send_twice(&plant, &job).await;
            }
            plant.run().await;
            let about = format!("{point:?} {nth}");
            let end = ended_once(&plant, &about).await;
            let ends = end["jobs"].as_object().unwrap().values().flat_map(|of| of.as_object().unwrap().values());
            let jobs: u64 = ends.map(|jobs| jobs.as_u64().unwrap()).sum();
            assert_eq!((jobs, &end["jobs"]["failed"]), (3, &json!({"attached": 1})), "{about}: {end}");
            if !plant.script.struck() {
                assert!(nth > 0, "{point:?} is passed");
                break;
            }
        }
    }
}

/// The jobs are due in groups, and in each group the worker is cut at some commit.
async fn cut_by_chance(stock: Stock, groups: u32, of: u32) {
    let plant = Plant::on(stock).await;
    let begins = |group: u32| later(minute(0), Duration::from_secs(60 * u64::from(group + 1)));
    let size = groups * of;
    for n in 0..size {
        let at = begins(n / of);
        let mut job = with(grant(&n.to_string(), NOT_GRANTED), "not_before", json!(at));
        job["not_after"] = json!(at);
        job["instance"]["id"] = json!(format!("vpc-{n:010}"));
        send_twice(&plant, &member(job, size)).await;
    }
    let mut chance = 7_u64;
    for group in 0..groups {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        plant.script.cut_at(CrashPoint::AfterCommit, usize::try_from((chance >> 33) % u64::from(of)).unwrap());
        plant.clock.advance_to(later(begins(group), Duration::from_secs(1)));
        plant.work().await;
        assert!(plant.script.struck(), "group {group}");
        plant.engine.look_at_batches().await.unwrap();
    }
    plant.run().await;
    let end = ended_once(&plant, "by chance").await;
    assert_eq!((&end["jobs"], &end["accepted"]), (&json!({"failed": {"expired": size}}), &json!(size)), "{end}");
}

async fn cut_at_random_commits(stock: Stock) {
    cut_by_chance(stock, 6, 10).await;
}

in_memory_and_in_a_database! {
    cut_at_every_point,
    cut_at_random_commits,
}

mod whole {
    use super::*;

    #[tokio::test]
    async fn a_thousand_jobs() {
        cut_by_chance(Stock::Memory, 50, 20).await;
    }

    mod in_a_database {
        use super::*;

        #[tokio::test]
        #[ignore = "takes a minute: cargo test --test promises batches::crashes::whole -- --ignored"]
        async fn a_thousand_jobs() {
            cut_by_chance(Stock::Database, 50, 20).await;
        }
    }
}
