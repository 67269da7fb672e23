//! What is particular to a CCN and to an IPsec-VPN connection when reads lag, answers are lost or a permission is missing.
//! What is done for each type otherwise is in the matrix.

use crossgrant::domain::Reason;
use crossgrant::engine::record::{Record, State};
use crossgrant::simulator::{FaultKind, InjectedFault};
use serde_json::{Value, json};

use crate::support::plant::{CEN, CEN_OWNER, Plant, RESOURCE, grant, revoke, with};

const CCN: &str = "ccn-n2935s1mnwv8i00001";
const VPN: &str = "vco-bp1bbi27hojx80nck0001";

/// How the CCN of the example world stands when the job comes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stands {
    NotGranted,
    Granted,
    Attached,
}

async fn plant(stands: Stands) -> Plant {
    let mut world = include_str!("../../examples/world.toml").to_owned();
    if stands != Stands::NotGranted {
        world += &format!("\n[[grants]]\ncen = \"{CEN}\"\ninstance = \"{CCN}\"\n");
    }
    if stands == Stands::Attached {
        let router = "tr-bp1su1ytdxtataupl0001";
        world += &format!("\n[[attachments]]\ntransit_router = \"{router}\"\ninstance = \"{CCN}\"\n");
    }
    Plant::with_world(&world).await
}

/// A job on the CCN.
fn on_ccn(job: Value) -> Value {
    with(job, "instance", json!({"type": "CCN", "id": CCN, "region": "cn-shanghai", "owner": RESOURCE}))
}

fn granting() -> Value {
    on_ccn(grant("g", CCN))
}

fn revoking() -> Value {
    on_ccn(revoke("r", CCN))
}

fn granting_vpn() -> Value {
    let instance = json!({"type": "VPN", "id": VPN, "region": "cn-hangzhou", "owner": RESOURCE});
    with(grant("v", VPN), "instance", instance)
}

/// Runs one job to its end.
async fn ends(plant: &Plant, job: Value) -> Record {
    let uid = plant.job(job).await;
    plant.run().await;
    plant.record(uid).await
}

fn end(record: &Record) -> (State, Reason) {
    (record.state(), record.phase.ending().as_ref().unwrap_or_else(|| panic!("it goes on: {}", record.why)).reason)
}

const DONE: (State, Reason) = (State::Completed, Reason::Done);

#[tokio::test]
async fn reads_of_a_ccn_that_lag_delay_and_never_repeat_a_write() {
    let plant = plant(Stands::NotGranted).await;
    let lag = json!({"read_lag": {"DescribeGrantRulesToCen": "8s", "DescribeGrantRules": "12s"}});
    plant.cloud.patch_switches(lag).unwrap();
    let first = plant.job(granting()).await;
    let second = plant.job(revoking()).await;
    plant.run().await;
    for uid in [first, second] {
        let record = plant.record(uid).await;
        assert_eq!(end(&record), DONE, "{}", record.why);
        assert_eq!(record.writes[0].sends, 1);
    }
    assert_eq!(plant.effects().len(), 2);
}

#[tokio::test]
async fn a_grant_between_other_accounts_than_the_jobs_is_found_before_anything_is_written() {
    let plant = plant(Stands::Granted).await;
    let other = json!({"id": CEN, "owner": RESOURCE});
    let record = ends(&plant, with(revoking(), "cen", other)).await;
    assert_eq!(end(&record), (State::Failed, Reason::PreflightFailed), "{}", record.why);
    assert!(record.why.contains(&format!("{CEN} belongs to account {CEN_OWNER}")), "{}", record.why);
    assert_eq!(plant.effects(), Vec::<String>::new());
}

/// The VPN connection granted to a second CEN of the same account and attached there.
async fn vpn_attached_elsewhere() -> Plant {
    let mut world = include_str!("../../examples/world.toml").to_owned();
    let (cen, router) = ("cen-44m0p68spvlrqq0002", "tr-bp1su1ytdxtataupl0003");
    world += &format!(
        "\n[[cens]]\nid = \"{cen}\"\nowner = \"{CEN_OWNER}\"\n\
         transit_routers = [{{ id = \"{router}\", region = \"cn-hangzhou\" }}]\n"
    );
    world += &format!("\n[[grants]]\ncen = \"{cen}\"\ninstance = \"{VPN}\"\n");
    world += &format!("\n[[attachments]]\ntransit_router = \"{router}\"\ninstance = \"{VPN}\"\n");
    Plant::with_world(&world).await
}

#[tokio::test]
async fn not_being_allowed_to_read_what_a_vpn_connection_is_attached_to_is_a_finding_and_no_failure() {
    let forbidden = FaultKind::Error { http: 403, code: "Forbidden.RAM".into(), message: String::new() };
    let plant = Plant::new().await;
    plant.cloud.inject(InjectedFault::new("DescribeVpnAttachments", forbidden.clone()).times(100));
    let uid = plant.job(granting_vpn()).await;
    plant.run().await;
    let data = plant.events(uid).await.pop().unwrap()["data"].clone();
    assert_eq!((&data["state"], &data["reason"]), (&json!("completed"), &json!("done")));
    let finding = data["findings"][0].as_str().unwrap();
    assert!(finding.contains("could not be read") && finding.contains("Forbidden.RAM"), "{finding}");

    // Then it is for the cloud to refuse it.
    let plant = vpn_attached_elsewhere().await;
    plant.cloud.inject(InjectedFault::new("DescribeVpnAttachments", forbidden).times(100));
    let record = ends(&plant, granting_vpn()).await;
    assert_eq!(end(&record), (State::Failed, Reason::RefusedByCloud), "{}", record.why);
    assert!(record.phase.ending().unwrap().message.contains("SimVpnAttached"));

    // A service that is only busy is asked again, and so is one that wants another token.
    for (http, code) in
        [(503, "ServiceUnavailable"), (400, "OperationFailed.TaskConflict"), (400, "InvalidSecurityToken.Expired")]
    {
        let plant = vpn_attached_elsewhere().await;
        let busy = FaultKind::Error { http, code: code.into(), message: String::new() };
        plant.cloud.inject(InjectedFault::new("DescribeVpnAttachments", busy).times(3));
        let record = ends(&plant, granting_vpn()).await;
        assert_eq!(end(&record), (State::Failed, Reason::PreflightFailed), "{code}: {}", record.why);
    }
}

#[tokio::test]
async fn a_lost_answer_about_a_ccn_is_looked_for_and_no_write_has_two_effects() {
    for kind in [FaultKind::DropAfter, FaultKind::DropBefore] {
        for (operation, stands, job, effects) in [
            ("GrantInstanceToCbn", Stands::NotGranted, granting(), 1),
            ("RevokeInstanceFromCbn", Stands::Granted, revoking(), 1),
            (
                "DetachCenChildInstance",
                Stands::Attached,
                with(revoking(), "options", json!({"attachments": "delete"})),
                2,
            ),
        ] {
            let plant = plant(stands).await;
            plant.cloud.inject(InjectedFault::new(operation, kind.clone()));
            let record = ends(&plant, job).await;
            assert_eq!(end(&record), DONE, "{operation} {kind:?}: {}", record.why);
            assert_eq!(plant.effects().len(), effects, "{operation} {kind:?}");
            let sends = if kind == FaultKind::DropBefore { 2 } else { 1 };
            assert_eq!(record.writes[0].sends, sends, "{operation} {kind:?}");
        }
    }
}
