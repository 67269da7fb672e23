//! The probe against the simulated cloud, under both values of every switch that a read can show.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::clock::ManualClock;
use crate::cloud::{AccountCredentials, ClientParts, RouterTransport};
use crate::domain::Hour;
use crate::simulator::{OutsideChange, Simulator};
use crate::workflow::Overrides;

const CEN: &str = "cen-44m0p68spvlrqq0001";
/// Granted and attached.
const ATTACHED: (&str, &str, &str) = ("VPC", "vpc-bp1h8vbrbcgohcju50001", "cn-hangzhou");
const VBR: (&str, &str, &str) = ("VBR", "vbr-bp1svadp4lq38janc0001", "cn-hangzhou");
const VPN: (&str, &str, &str) = ("VPN", "vco-bp1bbi27hojx80nck0001", "cn-hangzhou");
const ECR: (&str, &str, &str) = ("ECR", "ecr-n78omt2qsko06y0001", "cn-hangzhou");
const CCN: (&str, &str, &str) = ("CCN", "ccn-n2935s1mnwv8i00001", "cn-shanghai");

/// Lies where the router of the Basic Edition is.
const BASIC: &str = "vpc-bp1h8vbrbcgohcju50009";

/// The example world with a grant of every type but VPN, a VPC in the Basic Edition, and a second Enterprise Edition router.
fn world() -> String {
    const LAST_ROUTER: &str = "region = \"cn-beijing\", type = \"Basic\" },";
    const NEW_ROUTER: &str =
        "    { id = \"tr-bp1su1ytdxtataupl0003\", region = \"cn-shanghai\", type = \"Enterprise\" },";
    let example = include_str!("../../../../examples/world.toml");
    let example = example.replace(LAST_ROUTER, &format!("{LAST_ROUTER}\n{NEW_ROUTER}"));
    let (head, switches) = example.split_once("[switches]").unwrap();
    let instance = format!(
        "[[instances]]\ntype = \"VPC\"\nid = \"{BASIC}\"\nregion = \"cn-beijing\"\nowner = \"1688000000000001\"\n"
    );
    let grant = |id: &str| format!("[[grants]]\ncen = \"{CEN}\"\ninstance = \"{id}\"\n");
    let grants = [VBR.1, ECR.1, CCN.1, BASIC].map(grant).concat();
    format!("{head}{instance}{grants}[switches]{switches}")
}

struct ProbedCloud {
    simulator: Simulator,
    clock: Arc<ManualClock>,
    accounts: Accounts,
}

impl ProbedCloud {
    fn new(switches: Value) -> Self {
        let clock = Arc::new(ManualClock::new("2026-11-21T10:20:00Z".parse().unwrap()));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("world.toml");
        std::fs::write(&file, world()).unwrap();
        let (world, credentials): (_, Vec<AccountCredentials>) = crate::cli::world::read(Some(&file)).unwrap();
        let simulator = Simulator::new(world, Hour::REAL, clock.clone());
        simulator.patch_switches(switches).unwrap();
        let transport = Arc::new(RouterTransport::new(simulator.router()));
        let catalog = crate::cli::engine::catalog(&Overrides::default()).unwrap();
        let accounts = Accounts::new(ClientParts::new(clock.clone(), transport, &catalog.classes), credentials);
        let cloud = Self { simulator, clock, accounts };
        cloud.attach("tr-bp1su1ytdxtataupl0002", BASIC);
        cloud
    }

    fn attach(&self, router: &str, instance: &str) {
        let (transit_router, instance) = (router.to_owned(), instance.parse().unwrap());
        self.simulator.change(OutsideChange::Attach { transit_router, instance }).unwrap();
    }

    async fn probed(&self, (kind, id, region): (&str, &str, &str)) -> JobProbe {
        let body = json!({"id": "P-1", "kind": "grant",
            "instance": {"type": kind, "id": id, "region": region, "owner": "1688000000000001"},
            "cen": {"id": CEN, "owner": "1250123456123456"}});
        let job = parsed(body.to_string().as_bytes()).unwrap();
        probe(&self.accounts, self.clock.as_ref(), &job).await
    }
}

/// Each point of a probe under these switches, with its verdict.
async fn verdicts(switches: Value, of: (&str, &str, &str)) -> BTreeMap<&'static str, PointVerdict> {
    let probed = ProbedCloud::new(switches).probed(of).await;
    probed.observations.iter().map(|seen| (seen.point.name, seen.verdict.clone())).collect()
}

#[tokio::test]
async fn what_is_taken_for_true_is_how_the_simulated_cloud_is() {
    for of in [ATTACHED, VBR, VPN, ECR, CCN] {
        let cloud = ProbedCloud::new(json!({}));
        let probed = cloud.probed(of).await;
        assert!(!probed.differs(), "{of:?}: {:#?}", probed.lines(false));
        let agree = probed.observations.iter().filter(|seen| matches!(seen.verdict, PointVerdict::Agrees(_))).count();
        assert!(agree >= 10, "{of:?}: {:#?}", probed.lines(false));
    }
}

#[tokio::test]
async fn each_switch_is_seen_at_its_point_and_at_no_other() {
    for (switches, of, point, part) in [
        (json!({"child_instances": "basic"}), ATTACHED, "children", "none of 2"),
        (json!({"ecr_to_cen": "error"}), ATTACHED, "ecr-to-cen", "refused with InvalidParameter"),
        (json!({"ecr_to_cen": "empty"}), ECR, "ecr-to-cen", "is shown its rule"),
        (json!({"create_time": "number"}), ATTACHED, "create-time", "a number"),
        (json!({"effective_order_type": "attached"}), ATTACHED, "effective-unattached", "on 0 of 2"),
        (json!({"vpn_unattached_listed": true}), VPN, "vpn-unattached", "1 of 1 connections"),
    ] {
        let (before, now) = (verdicts(json!({}), of).await, verdicts(switches.clone(), of).await);
        let seen = &now[point];
        assert!(matches!(seen, PointVerdict::Differs(says) if says.contains(part)), "{switches}: {seen:?}");
        assert!(!matches!(before[point], PointVerdict::Differs(_)), "{switches}: {:?}", before[point]);
        let others = |all: &BTreeMap<&'static str, PointVerdict>| -> Vec<&'static str> {
            let others = all.iter().filter(|(name, _)| **name != point);
            others.filter(|(_, verdict)| matches!(verdict, PointVerdict::Differs(_))).map(|(name, _)| *name).collect()
        };
        assert_eq!((others(&before), others(&now)), (vec![], vec![]), "{switches}");
    }
    let never = verdicts(json!({"effective_order_type": "never"}), ATTACHED).await;
    for point in ["effective-attached", "effective-unattached", "effective-resource"] {
        assert!(matches!(never[point], PointVerdict::Differs(_)), "{point}: {:?}", never[point]);
    }
}

#[tokio::test]
async fn rows_of_what_is_attached_twice_are_counted() {
    for (rows, differs) in [("each", false), ("once", true)] {
        let cloud = ProbedCloud::new(json!({"child_rows": rows}));
        cloud.attach("tr-bp1su1ytdxtataupl0003", ATTACHED.1);
        let probed = cloud.probed(ATTACHED).await;
        let seen = probed.observations.iter().find(|seen| seen.point.name == "child-rows").unwrap();
        assert_eq!(seen.differs(), differs, "{rows}: {seen:?}");
    }
}

#[tokio::test]
async fn a_probe_reads_and_does_nothing_else() {
    for of in [ATTACHED, VBR, VPN, ECR, CCN] {
        let cloud = ProbedCloud::new(json!({}));
        let before = cloud.simulator.ledger();
        cloud.probed(of).await;
        assert_eq!(cloud.simulator.ledger(), before, "{of:?}");
        let calls = cloud.simulator.calls();
        assert!(calls.len() >= 10, "{of:?}");
        for call in calls {
            let is_read = ["Describe", "List", "Check", "Get"].iter().any(|verb| call.operation.starts_with(verb));
            assert!(is_read && !call.effect, "{call:?}");
        }
    }
}

#[tokio::test]
async fn no_secret_is_shown_and_every_answer_is_named_by_its_request() {
    let cloud = ProbedCloud::new(json!({"ecr_to_cen": "error"}));
    let probed = cloud.probed(ATTACHED).await;
    let (text, lines) = (probed.lines(false).join("\n"), probed.lines(true));
    for secret in ["secret", "cen-key", "resource-key", "Signature"] {
        assert!(!text.contains(secret) && !lines.join("\n").contains(secret), "{secret}: {text}");
    }
    assert!(text.starts_with("Job P-1: VPC vpc-bp1h8vbrbcgohcju50001 of account 1688000000000001"), "{text}");
    assert!(text.contains("DIFFERS  ecr-to-cen (H2): ") && text.contains("[cloud-differs]"), "{text}");
    for line in &lines {
        let seen: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&seen["check"], &seen["job"]), (&json!("probe"), &json!("P-1")));
        let ids = seen["request_ids"].as_array().unwrap();
        assert!(!ids.is_empty() || seen["point"] == "date" || seen["operation"].is_null(), "{seen}");
        let differs = seen["verdict"] == "differs";
        assert_eq!((seen["ok"] == json!(false), seen["code"] == "cloud-differs"), (differs, differs), "{seen}");
    }
    assert_eq!(lines.len(), probed.observations.len());
}

#[tokio::test]
async fn an_account_without_a_credential_leaves_its_points_open() {
    let cloud = ProbedCloud::new(json!({}));
    let body = json!({"id": "P-1", "kind": "grant",
        "instance": {"type": "VPC", "id": ATTACHED.1, "region": "cn-hangzhou", "owner": "1999999999999999"},
        "cen": {"id": CEN, "owner": "1250123456123456"}});
    let job = parsed(body.to_string().as_bytes()).unwrap();
    let probed = probe(&cloud.accounts, cloud.clock.as_ref(), &job).await;
    let of = |name: &str| probed.observations.iter().find(|seen| seen.point.name == name).unwrap().verdict.clone();
    let says = of("other-rules");
    assert!(
        matches!(&says, PointVerdict::CannotTell(says) if says.contains("no credential is configured")),
        "{says:?}"
    );
    assert!(matches!(of("children"), PointVerdict::Agrees(_)));
}
