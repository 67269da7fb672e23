//! Refusals that can only mean that the worker asks wrongly, or that a policy is older than the worker: they end no job.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossgrant::clock::later;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::*;

/// Reads that are refused so, and the codes.
const REFUSALS: [(&str, u16, &str); 6] = [
    ("ListTransitRouterVpcAttachments", 400, "IllegalParam.CenIdOrRegionId"),
    ("ListTransitRouters", 400, "InvalidParameterCombination.TransitRouter"),
    ("DescribeCenAttachedChildInstances", 400, "MissingParameter.CenId"),
    ("DescribeGrantRulesToResource", 400, "MissingParameter\t"),
    ("ListTransitRouters", 403, "Forbidden.RAM"),
    ("ListTransitRouters", 403, "NoPermission"),
];
const JOBS: usize = 4;

/// A worker with jobs on as many instances: half of them revokes, half of them payer changes.
async fn plant() -> (Plant, Vec<Value>) {
    let mut world = include_str!("../../../examples/world.toml").to_owned();
    let mut jobs = vec![];
    for n in 0..JOBS {
        let id: &'static str = format!("vpc-bp1held{n:014}").leak();
        let of = Subject { id, ..VPC };
        world += &format!(
            "\n[[instances]]\ntype = \"VPC\"\nid = {id:?}\nregion = {:?}\nowner = {RESOURCE:?}\n\
             \n[[grants]]\ncen = {CEN:?}\ninstance = {id:?}\n",
            of.region
        );
        let mut job = of.job(if n % 2 == 0 { "revoke" } else { "payer-change" });
        job["id"] = n.to_string().into();
        jobs.push(job);
    }
    (Plant::with_world(&world).await, jobs)
}

/// Counts what is said at level ERROR.
#[derive(Clone, Default)]
struct Alerts(Arc<AtomicUsize>);

impl<S: tracing::Subscriber> Layer<S> for Alerts {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == tracing::Level::ERROR {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[tokio::test]
async fn a_read_that_is_refused_as_malformed_or_for_want_of_a_new_permission_ends_no_job_and_is_asked_once_a_minute() {
    for (operation, http, code) in REFUSALS {
        let alerts = Alerts::default();
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(alerts.clone()));
        let (plant, jobs) = plant().await;
        plant.cloud.inject(InjectedFault::new(operation, refusal(http, code)).times(1_000_000));
        let mut uids = vec![];
        for job in jobs {
            uids.push(plant.job(job).await);
        }
        // The first for longer than any patience.
        let minutes = if code == REFUSALS[0].2 { 7 * 60 } else { 10 };
        plant.run_until(later(at("10:20:00"), Duration::from_secs(60 * minutes))).await;
        for uid in &uids {
            let record = plant.record(*uid).await;
            assert!(!record.state().is_terminal() && record.state() != State::Parked, "{code}: {}", record.why);
            assert!(record.why.contains(code.trim_end()), "{code}: {}", record.why);
            assert_eq!(plant.said(*uid).await, ["accepted"], "{code}");
        }
        let asked = plant.cloud.strikes(operation);
        assert!((minutes - 2..=minutes + 2).contains(&asked), "{code}: {asked} calls in {minutes} minutes");
        assert_eq!(alerts.0.load(Ordering::SeqCst), 1, "{code}");
        assert_eq!(plant.effects(), Vec::<String>::new());

        plant.cloud.clear_faults();
        plant.run_until(later(at("10:30:00"), Duration::from_secs(60 * minutes))).await;
        for uid in uids {
            let record = plant.record(uid).await;
            assert_eq!(end(&record), (State::Completed, Some(Reason::Done)), "{code}: {}", record.why);
        }
    }
}

#[tokio::test]
async fn a_permission_that_earlier_versions_needed_as_well_is_refused_at_once() {
    let (plant, jobs) = plant().await;
    let operation = "ListTransitRouterVpcAttachments";
    plant.cloud.inject(InjectedFault::new(operation, refusal(403, "Forbidden.RAM")).times(1_000));
    let uid = plant.job(jobs[0].clone()).await;
    plant.run().await;
    let record = plant.record(uid).await;
    assert_eq!(end(&record), (State::Failed, Some(Reason::RefusedByCloud)), "{}", record.why);
}
