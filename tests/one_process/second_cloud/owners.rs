//! Who owns what, and where it is: found out before the first write, whatever the type and whatever is asked.

use super::*;

/// What a job says wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    /// As the owner of the CEN: an account that owns nothing, and the one that owns the instance.
    CenOwner(&'static str),
    Cen,
    /// As the owner of the instance: an account that owns nothing, and the one that owns the CEN.
    InstanceOwner(&'static str),
    Instance,
    Region,
    Swapped,
    /// As the owner of both, an account that owns neither.
    BothOwners,
}

const MISTAKES: [Mistake; 9] = [
    Mistake::CenOwner(STRANGER),
    Mistake::CenOwner(RESOURCE),
    Mistake::Cen,
    Mistake::InstanceOwner(STRANGER),
    Mistake::InstanceOwner(CEN_OWNER),
    Mistake::Instance,
    Mistake::Region,
    Mistake::Swapped,
    Mistake::BothOwners,
];

impl Mistake {
    fn made(self, mut job: Value) -> Value {
        let mut say = |part: &str, field: &str, value: String| job[part][field] = value.into();
        match self {
            Self::CenOwner(owner) => say("cen", "owner", owner.into()),
            Self::Cen => say("cen", "id", "cen-44m0p68spvlrqq0010".into()),
            Self::InstanceOwner(owner) => say("instance", "owner", owner.into()),
            Self::Region => say("instance", "region", "cn-beijing".into()),
            Self::Swapped => {
                say("cen", "owner", RESOURCE.into());
                say("instance", "owner", CEN_OWNER.into());
            }
            Self::BothOwners => {
                say("cen", "owner", STRANGER.into());
                say("instance", "owner", STRANGER.into());
            }
            Self::Instance => {
                let id = job["instance"]["id"].as_str().unwrap().to_owned();
                job["instance"]["id"] = format!("{}9", &id[..id.len() - 1]).into();
            }
        }
        job
    }

    /// The right end where it is not `preflight-failed`.
    fn otherwise(self, of: Subject, stands: Stands, kind: &str) -> Option<(State, Reason)> {
        let of_instance = matches!(self, Self::InstanceOwner(_) | Self::Instance | Self::Region);
        // There is no grant of an instance of that name: the proven owner of the CEN was shown all of its grants.
        let granted = stands != Stands::NotGranted && self != Self::Instance;
        // Smartag knows no such CCN there.
        let known = of.kind != "CCN" || matches!(self, Self::InstanceOwner(_));
        if of_instance && !granted && of.kind != "ECR" && known {
            return match kind {
                "revoke" => Some((State::Completed, Reason::AlreadyAbsent)),
                "payer-change" => Some((State::Failed, Reason::NotGranted)),
                _ => None,
            };
        }
        // An ECR spans regions, so that no rule has one to compare; a write of it has, and is refused.
        if of.kind == "ECR" && self == Self::Region {
            return match (kind, stands) {
                ("grant", Stands::Granted | Stands::Attached) => Some((State::Completed, Reason::AlreadySatisfied)),
                ("revoke", Stands::Attached) => Some((State::Failed, Reason::Attached)),
                ("payer-change", Stands::Attached) => Some((State::Failed, Reason::PayerNotChangeable)),
                _ => None,
            };
        }
        None
    }
}

#[tokio::test]
async fn what_a_job_says_wrongly_of_owners_ids_and_regions_is_found_in_seconds_and_nothing_is_written() {
    let mut cases = 0;
    for of in SUBJECTS {
        let readings = if of == ECR { &["rules", "empty", "error"][..] } else { &["rules"] };
        for (reading, stands) in readings.iter().flat_map(|r| Stands::ALL.map(|stands| (r, stands))) {
            for (kind, mistake) in of.kinds().iter().flat_map(|kind| MISTAKES.map(|mistake| (kind, mistake))) {
                cases += 1;
                if !thorough::runs(cases, 4) {
                    continue;
                }
                let plant = of.plant(Stock::Memory, stands).await;
                switch(&plant, json!({"ecr_to_cen": reading}));
                let grants = plant.cloud.state()["grants"].clone();
                let uid = plant.job(mistake.made(of.job(kind))).await;
                plant.run().await;
                let record = plant.record(uid).await;
                let case = format!("{} {reading} {stands:?} {kind} {mistake:?}: {}", of.kind, record.why);
                let right = mistake.otherwise(of, stands, kind).unwrap_or((State::Failed, Reason::PreflightFailed));
                assert_eq!(end(&record), (right.0, Some(right.1)), "{case}");
                let found = !record.phase.ending().as_ref().unwrap().findings.is_empty();
                assert!(found || right.1 != Reason::PreflightFailed, "{case}");
                let took = record.phase.finished_at().unwrap().duration_since(record.accepted_at).as_secs();
                assert!(took <= 10, "{case}: after {took} s");
                assert_eq!((plant.effects(), &plant.cloud.state()["grants"]), (vec![], &grants), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_ccn_in_another_region_is_found_by_what_the_owner_of_the_cen_is_shown() {
    let plant = CCN.plant(Stock::Memory, Stands::Granted).await;
    plant.cloud.inject(InjectedFault::new("DescribeGrantRules", FaultKind::Empty).times(1_000));
    let uid = plant.job(Mistake::Region.made(CCN.job("revoke"))).await;
    plant.run().await;
    let record = plant.record(uid).await;
    assert_eq!(end(&record), (State::Failed, Some(Reason::PreflightFailed)), "{}", record.why);
    assert!(record.why.contains("is in cn-shanghai, not in cn-beijing"), "{}", record.why);
}

/// What an account is told of an instance that is not its own may be that there is none.
#[tokio::test]
async fn an_ecr_that_a_stranger_is_told_does_not_exist_is_not_absent() {
    for reading in ["empty", "error"] {
        let plant = ECR.plant(Stock::Memory, Stands::Granted).await;
        switch(&plant, json!({"ecr_to_cen": reading}));
        let none = refusal(404, "InvalidInstanceId.NotFound\t");
        plant.cloud.inject(InjectedFault::new("RevokeInstanceFromTransitRouter", none).times(1_000));
        let mut job = ECR.job("revoke");
        job["instance"]["owner"] = STRANGER.into();
        let uid = plant.job(job).await;
        plant.run_until(at("10:22:00")).await;
        let record = plant.record(uid).await;
        assert_eq!(end(&record), (State::Failed, Some(Reason::PreflightFailed)), "{reading}: {}", record.why);
        assert!(!record.phase.ending().unwrap().findings.is_empty(), "{reading}");
    }
}

/// A CEN without a transit router.
const BARE: &str = "cen-44m0p68spvlrqq0009";

async fn with_bare_cen(of: Subject) -> Plant {
    let cen = format!("\n[[cens]]\nid = {BARE:?}\nowner = {CEN_OWNER:?}\n");
    Plant::with_world(&(of.world(Stands::NotGranted) + &cen)).await
}

#[tokio::test]
async fn whose_a_cen_without_a_transit_router_is_the_list_of_its_owners_cens_proves() {
    for of in SUBJECTS {
        for kind in of.kinds() {
            let plant = with_bare_cen(of).await;
            let mut job = of.job(kind);
            job["cen"]["id"] = BARE.into();
            let right = plant.job(job.clone()).await;
            plant.run().await;
            let record = plant.record(right).await;
            let reason = match *kind {
                "grant" => Reason::Done,
                "revoke" => Reason::AlreadyAbsent,
                // The account of the CEN may be shown no ECR, and that of the job need not be its owner (API §H2).
                _ if of == ECR => Reason::PreflightFailed,
                _ => Reason::NotGranted,
            };
            assert_eq!(end(&record).1, Some(reason), "{} {kind}: {}", of.kind, record.why);
            assert_eq!(plant.effects().len(), usize::from(*kind == "grant"), "{} {kind}", of.kind);

            job["cen"]["owner"] = STRANGER.into();
            job["id"] = "wrong".into();
            let before = plant.effects();
            let wrong = plant.job(job).await;
            plant.run().await;
            let record = plant.record(wrong).await;
            assert_eq!(end(&record).1, Some(Reason::PreflightFailed), "{} {kind}: {}", of.kind, record.why);
            assert_eq!(plant.effects(), before);
        }
    }
}

#[tokio::test]
async fn one_empty_answer_does_not_make_an_account_another_than_the_owner() {
    for kind in [FaultKind::EmptyList, FaultKind::Empty] {
        // An answer without a list is none, however often it is given.
        let for_good = if kind == FaultKind::Empty { Reason::GaveUp } else { Reason::PreflightFailed };
        for (lists, ends) in [(1, Reason::Done), (1_000, for_good)] {
            let plant = VPC.plant(Stock::Memory, Stands::NotGranted).await;
            plant.cloud.inject(InjectedFault::new("ListTransitRouters", kind.clone()).times(lists));
            plant.cloud.inject(InjectedFault::new("DescribeCens", kind.clone()).times(lists));
            let uid = plant.job(VPC.job("grant")).await;
            plant.run().await;
            let record = plant.record(uid).await;
            assert_eq!(end(&record).1, Some(ends), "{lists} {kind:?}: {}", record.why);
            assert_eq!(plant.effects().len(), usize::from(ends == Reason::Done), "{lists} {kind:?}");
        }
    }
}
