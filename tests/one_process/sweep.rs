//! The hour, for many: a pass reads each CEN once, and is gone on with wherever it was cut.

use crossgrant::domain::JobUid;
use crossgrant::engine::record::State;
use crossgrant::sweep;
use futures_util::FutureExt;

use crate::support::plant::{CEN_OWNER, Plant, RESOURCE, payer_change};

/// More than are in memory at a time, and on more than one page.
const JOBS: usize = 230;
const CEN: &str = "cen-sweep0000000001";
const READ: &str = "DescribeGrantRulesToCen";

fn instance(n: usize) -> String {
    format!("vpc-bp1sweep{n:010}")
}

/// The example world with another CEN, and networks whose new payer is written there and waits for the hour.
fn world() -> String {
    let network = |n| {
        let id = instance(n);
        format!(
            "\n[[instances]]\ntype = \"VPC\"\nid = {id:?}\nregion = \"cn-hangzhou\"\nowner = {RESOURCE:?}\n\
             \n[[grants]]\ncen = {CEN:?}\ninstance = {id:?}\norder_type = \"PayByResourceOwner\"\n\
             effective_order_type = \"PayByCenOwner\"\n"
        )
    };
    let networks: String = (0..JOBS).map(network).collect();
    format!("{}\n[[cens]]\nid = {CEN:?}\nowner = {CEN_OWNER:?}\n{networks}", include_str!("../../examples/world.toml"))
}

/// A plant at the top of the hour that all its jobs wait for.
async fn at_the_hour() -> (Plant, Vec<JobUid>) {
    let plant = Plant::with_world(&world()).await;
    let mut jobs = vec![];
    for n in 0..JOBS {
        let mut job = payer_change(&format!("NET-{n}"), &instance(n), "PayByResourceOwner");
        job["cen"]["id"] = CEN.into();
        jobs.push(plant.job(job).await);
    }
    plant.run_on().await;
    plant.clock.advance_to(plant.store().next_sweep().await.unwrap().unwrap());
    (plant, jobs)
}

async fn all_were_told_once(plant: &Plant, jobs: &[JobUid]) {
    for job in jobs {
        assert_eq!(plant.record(*job).await.state(), State::Completed);
        assert_eq!(plant.said(*job).await, ["accepted", "waiting", "completed"]);
    }
}

#[tokio::test]
async fn a_pass_reads_a_cen_once_however_many_wait() {
    let (plant, jobs) = at_the_hour().await;
    let reads = || plant.cloud.calls().iter().filter(|call| call.operation == READ).count();
    let before = reads();
    let report = sweep::pass(&plant.engine).await.unwrap();
    assert_eq!((report.jobs, report.confirmed, report.failed), (JOBS, JOBS, 0));
    assert_eq!((report.calls, reads() - before), (3, 3), "a hundred rules a call");
    all_were_told_once(&plant, &jobs).await;
}

#[tokio::test]
async fn a_pass_that_is_cut_anywhere_is_gone_on_with_by_the_next() {
    let (plant, jobs) = at_the_hour().await;
    let mut cut = 0;
    'passes: loop {
        let mut pass = Box::pin(sweep::pass(&plant.engine));
        // Each time a little later; what was handed to the store by then may or may not have been committed.
        for _ in 0..=cut {
            if let Some(report) = (&mut pass).now_or_never() {
                report.unwrap();
                break 'passes;
            }
            tokio::task::yield_now().await;
        }
        cut += 1;
    }
    assert!(cut > 5, "it was cut {cut} times");
    all_were_told_once(&plant, &jobs).await;
}
