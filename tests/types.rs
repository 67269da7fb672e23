//! The rules of each type of instance (design §4): which operations it is granted through, whether it has a payer, and
//! when that payer can be changed. For every type the end of the job and the exact list of writes.

use crossgrant::domain::Reason;
use crossgrant::engine::state::{Record, State};
use crossgrant::engine::store::Taken;
use crossgrant::simulator::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::support::plant::{CEN, CEN_OWNER, Plant, RESOURCE, grant, payer_change, revoke, with};

const OLD: &str = "PayByCenOwner";
const NEW: &str = "PayByResourceOwner";
/// Of the one attachment in a world that has one.
const ATTACHMENT: &str = "tr-attach-types0000000001";

/// A type, by an instance of the example world that is not granted, and what its operations are called.
struct Type {
    word: &'static str,
    id: &'static str,
    region: &'static str,
    grant: &'static str,
    revoke: &'static str,
    update: Option<&'static str>,
    delete: &'static str,
}

impl Type {
    const fn of_cbn(word: &'static str, id: &'static str, update: Option<&'static str>, delete: &'static str) -> Self {
        let (grant, revoke) = ("GrantInstanceToTransitRouter", "RevokeInstanceFromTransitRouter");
        Self { word, id, region: "cn-hangzhou", grant, revoke, update, delete }
    }

    fn has_payer(&self) -> bool {
        self.word != "CCN"
    }
}

const VPC: Type = Type::of_cbn(
    "VPC",
    "vpc-bp1h8vbrbcgohcju50003",
    Some("UpdateTransitRouterVpcAttachmentAttribute"),
    "DeleteTransitRouterVpcAttachment",
);
const VBR: Type = Type::of_cbn(
    "VBR",
    "vbr-bp1svadp4lq38janc0001",
    Some("UpdateTransitRouterVbrAttachmentAttribute"),
    "DeleteTransitRouterVbrAttachment",
);
const VPN: Type = Type::of_cbn(
    "VPN",
    "vco-bp1bbi27hojx80nck0001",
    Some("UpdateTransitRouterVpnAttachmentAttribute"),
    "DeleteTransitRouterVpnAttachment",
);
const ECR: Type = Type::of_cbn("ECR", "ecr-n78omt2qsko06y0001", None, "DeleteTransitRouterEcrAttachment");
const CCN: Type = Type {
    word: "CCN",
    id: "ccn-n2935s1mnwv8i00001",
    region: "cn-shanghai",
    grant: "GrantInstanceToCbn",
    revoke: "RevokeInstanceFromCbn",
    update: None,
    delete: "DetachCenChildInstance",
};
const ALL: [&Type; 5] = [&VPC, &VBR, &VPN, &ECR, &CCN];

/// How the instance of a type stands when the job comes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stands {
    NotGranted,
    /// With [`OLD`], where it has a payer.
    Granted,
    Attached,
}

async fn plant(of: &Type, stands: Stands) -> Plant {
    let mut world = include_str!("../examples/world.toml").to_owned();
    if stands != Stands::NotGranted {
        world += &format!("\n[[grants]]\ncen = \"{CEN}\"\ninstance = \"{}\"\n", of.id);
    }
    if stands == Stands::Attached {
        let router = "tr-bp1su1ytdxtataupl0001";
        let (id, instance) = (ATTACHMENT, of.id);
        world +=
            &format!("\n[[attachments]]\nid = \"{id}\"\ntransit_router = \"{router}\"\ninstance = \"{instance}\"\n");
    }
    Plant::with_world(&world).await
}

/// A job on an instance of any type.
fn on(of: &Type, job: Value) -> Value {
    let instance = json!({"type": of.word, "id": of.id, "region": of.region, "owner": RESOURCE});
    with(job, "instance", instance)
}

fn granting(of: &Type) -> Value {
    let job = on(of, grant("g", of.id));
    if of.has_payer() { with(job, "order_type", json!(NEW)) } else { job }
}

fn changing(of: &Type) -> Value {
    on(of, payer_change("p", of.id, NEW))
}

fn revoking(of: &Type) -> Value {
    on(of, revoke("r", of.id))
}

fn deleting(of: &Type) -> Value {
    with(revoking(of), "options", json!({"attachments": "delete"}))
}

/// Runs one job to its end.
async fn ends(plant: &Plant, job: Value) -> Record {
    let uid = plant.job(job).await;
    plant.run().await;
    plant.record(uid).await
}

fn end(record: &Record) -> (State, Reason) {
    (record.state, record.ending.as_ref().unwrap_or_else(|| panic!("it goes on: {}", record.why)).reason)
}

const DONE: (State, Reason) = (State::Completed, Reason::Done);

fn payer(of: &Type, payer: &str) -> String {
    if of.has_payer() { format!(" {payer}") } else { String::new() }
}

#[tokio::test]
async fn every_type_is_granted_through_its_own_operation() {
    for of in ALL {
        let plant = plant(of, Stands::NotGranted).await;
        let uid = plant.job(granting(of)).await;
        plant.run().await;
        let record = plant.record(uid).await;
        assert_eq!(end(&record), DONE, "{}: {}", of.word, record.why);
        assert_eq!(plant.effects(), [format!("{} {}{}", of.grant, of.id, payer(of, NEW))]);
        assert_eq!(record.writes[0].operation, of.grant, "what the event says is what was called");
        let data = plant.events(uid).await.pop().unwrap()["data"].clone();
        assert_eq!(data["after"]["granted"], true);
        assert_eq!(data["after"]["order_type"], if of.has_payer() { json!(NEW) } else { Value::Null });
        assert_eq!(data["attach"]["id"], of.id);
        assert_eq!(data["writes"][0]["operation"], of.grant);
    }
}

#[tokio::test]
async fn what_is_so_already_is_not_written_for_any_type() {
    for of in ALL {
        let granted = plant(of, Stands::Granted).await;
        let record = ends(&granted, on(of, grant("g", of.id))).await;
        assert_eq!(end(&record), (State::Completed, Reason::AlreadySatisfied), "{}", of.word);
        let absent = plant(of, Stands::NotGranted).await;
        let record = ends(&absent, revoking(of)).await;
        assert_eq!(end(&record), (State::Completed, Reason::AlreadyAbsent), "{}", of.word);
        assert_eq!((granted.effects().len(), absent.effects().len()), (0, 0), "{}", of.word);
        if of.has_payer() {
            let record = ends(&granted, with(granting(of), "id", json!("h"))).await;
            assert_eq!(end(&record), (State::Failed, Reason::PayerDiffers), "{}", of.word);
            assert_eq!(granted.effects().len(), 0);
        }
    }
}

#[tokio::test]
async fn every_type_is_revoked_through_its_own_operation() {
    for of in ALL {
        let plant = plant(of, Stands::Granted).await;
        let record = ends(&plant, revoking(of)).await;
        assert_eq!(end(&record), DONE, "{}: {}", of.word, record.why);
        assert_eq!(plant.effects(), [format!("{} {}", of.revoke, of.id)]);
        assert!(!record.after.unwrap().granted);
    }
}

#[tokio::test]
async fn an_attached_instance_is_revoked_only_after_its_attachment_was_allowed_to_go() {
    for of in ALL {
        let plant = plant(of, Stands::Attached).await;
        let record = ends(&plant, revoking(of)).await;
        assert_eq!(end(&record), (State::Failed, Reason::Attached), "{}: {}", of.word, record.why);
        assert_eq!(plant.effects(), Vec::<String>::new());
        let record = ends(&plant, with(deleting(of), "id", json!("s"))).await;
        assert_eq!(end(&record), DONE, "{}: {}", of.word, record.why);
        let delete = format!("{} {ATTACHMENT}", of.delete);
        assert_eq!(plant.effects(), [delete, format!("{} {}", of.revoke, of.id)]);
    }
}

#[tokio::test]
async fn the_payer_of_an_attached_instance_changes_in_place_where_it_can() {
    for of in [&VPC, &VBR, &VPN] {
        let plant = plant(of, Stands::Attached).await;
        let uid = plant.job(changing(of)).await;
        plant.run().await;
        let record = plant.record(uid).await;
        assert_eq!(end(&record), DONE, "{}: {}", of.word, record.why);
        let modify = format!("ModifyGrantInstanceToTransitRouter {} {NEW}", of.id);
        assert_eq!(plant.effects(), [modify, format!("{} {ATTACHMENT} {NEW}", of.update.unwrap())]);
        assert_eq!(plant.said(uid).await, ["accepted", "waiting", "completed"], "{}", of.word);
        assert_eq!(record.after.unwrap().effective_order_type.unwrap().as_str(), NEW);
    }
}

#[tokio::test]
async fn the_payer_of_an_attached_ecr_cannot_be_changed_whatever_the_cloud_shows_of_it() {
    for shown in ["rules", "empty", "error"] {
        let plant = plant(&ECR, Stands::Attached).await;
        plant.cloud.patch_switches(json!({"ecr_to_cen": shown})).unwrap();
        let record = ends(&plant, changing(&ECR)).await;
        assert_eq!(end(&record), (State::Failed, Reason::PayerNotChangeable), "{shown}: {}", record.why);
        assert_eq!(plant.effects(), Vec::<String>::new(), "{shown}");
    }
}

#[tokio::test]
async fn the_payer_of_an_unattached_instance_changes_by_a_new_grant() {
    for of in [&VPC, &VBR, &VPN, &ECR] {
        let plant = plant(of, Stands::Granted).await;
        let record = ends(&plant, changing(of)).await;
        assert_eq!(end(&record), DONE, "{}: {}", of.word, record.why);
        assert_eq!(plant.effects(), [format!("{} {}", of.revoke, of.id), format!("{} {} {NEW}", of.grant, of.id)]);
    }
}

#[tokio::test]
async fn a_ccn_has_no_payer_to_grant_with_or_to_change() {
    let plant = plant(&CCN, Stands::Granted).await;
    for job in [changing(&CCN), with(granting(&CCN), "order_type", json!(OLD))] {
        assert!(matches!(plant.send(&job).await, Taken::Rejected(_)), "{job}");
    }
    plant.run().await;
    assert_eq!(plant.cloud.total_calls(), 0, "a message that is no job asks the cloud nothing");
}

#[tokio::test]
async fn an_ecr_is_worked_on_although_the_cen_side_does_not_know_it() {
    for shown in ["empty", "error"] {
        let cases = [
            (Stands::NotGranted, granting(&ECR), vec![format!("{} {} {NEW}", ECR.grant, ECR.id)]),
            (Stands::Granted, revoking(&ECR), vec![format!("{} {}", ECR.revoke, ECR.id)]),
            (
                Stands::Granted,
                changing(&ECR),
                vec![format!("{} {}", ECR.revoke, ECR.id), format!("{} {} {NEW}", ECR.grant, ECR.id)],
            ),
            (
                Stands::Attached,
                deleting(&ECR),
                vec![format!("{} {ATTACHMENT}", ECR.delete), format!("{} {}", ECR.revoke, ECR.id)],
            ),
        ];
        for (stands, job, effects) in cases {
            let plant = plant(&ECR, stands).await;
            plant.cloud.patch_switches(json!({"ecr_to_cen": shown})).unwrap();
            let record = ends(&plant, job.clone()).await;
            assert_eq!(end(&record), DONE, "{shown} {stands:?} {job}: {}", record.why);
            assert_eq!(plant.effects(), effects, "{shown} {stands:?}");
        }
    }
}

#[tokio::test]
async fn a_vbr_that_the_vendor_has_not_enabled_is_refused_by_the_cloud_and_says_so() {
    let plant = plant(&VBR, Stands::NotGranted).await;
    plant.cloud.patch_switches(json!({"vbr_enabled": false})).unwrap();
    let record = ends(&plant, granting(&VBR)).await;
    assert_eq!(end(&record), (State::Failed, Reason::RefusedByCloud), "{}", record.why);
    let ending = record.ending.unwrap();
    assert!(ending.message.contains("SimVbrNotEnabled"), "{}", ending.message);
    assert!(ending.findings[0].contains("vendor has approved"), "{:?}", ending.findings);
    assert_eq!(plant.effects(), Vec::<String>::new());
}

#[tokio::test]
async fn every_type_is_spelled_as_each_side_wants_it() {
    // The simulated cloud refuses every other spelling, above all that of a VBR on the wrong side, and answers a call of
    // the wrong account or product with nothing.
    for of in ALL {
        for (stands, job) in [
            (Stands::NotGranted, granting(of)),
            (Stands::Attached, deleting(of)),
            (Stands::Attached, if of.update.is_some() { changing(of) } else { revoking(of) }),
        ] {
            let plant = plant(of, stands).await;
            ends(&plant, job).await;
            for call in plant.cloud.calls() {
                assert_eq!(call.code, "OK", "{} {call:?}", of.word);
            }
        }
    }
}

#[tokio::test]
async fn a_ccn_job_passes_every_answer_to_what_is_so_already() {
    for reply in ["ok", "error"] {
        for (job, stands) in [(granting(&CCN), Stands::NotGranted), (revoking(&CCN), Stands::Granted)] {
            let plant = plant(&CCN, stands).await;
            plant.cloud.patch_switches(json!({"duplicate_grant": reply, "revoke_absent": reply})).unwrap();
            plant.script.every_write_twice();
            let record = ends(&plant, job).await;
            assert_eq!(end(&record), DONE, "{reply}: {}", record.why);
            assert_eq!(plant.effects().len(), 1, "{reply}");
        }
    }
}

#[tokio::test]
async fn reads_of_a_ccn_that_lag_delay_and_never_repeat_a_write() {
    let plant = plant(&CCN, Stands::NotGranted).await;
    let lag = json!({"read_lag": {"DescribeGrantRulesToCen": "8s", "DescribeGrantRules": "12s"}});
    plant.cloud.patch_switches(lag).unwrap();
    let first = plant.job(granting(&CCN)).await;
    let second = plant.job(revoking(&CCN)).await;
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
    for of in [&VPC, &VBR, &VPN, &ECR, &CCN] {
        let plant = plant(of, Stands::Granted).await;
        let other = json!({"id": CEN, "owner": RESOURCE});
        let record = ends(&plant, with(revoking(of), "cen", other)).await;
        assert_eq!(end(&record), (State::Failed, Reason::PreflightFailed), "{}: {}", of.word, record.why);
        assert!(record.why.contains(&format!("{CEN} belongs to account {CEN_OWNER}")), "{}", record.why);
        assert_eq!(plant.effects(), Vec::<String>::new());
    }
}

/// The VPN connection granted to a second CEN of the same account and attached there, besides what `granted` says of
/// the first.
async fn vpn_attached_elsewhere(granted: bool) -> Plant {
    let mut world = include_str!("../examples/world.toml").to_owned();
    let (cen, router) = ("cen-44m0p68spvlrqq0002", "tr-bp1su1ytdxtataupl0003");
    world += &format!(
        "\n[[cens]]\nid = \"{cen}\"\nowner = \"{CEN_OWNER}\"\n\
         transit_routers = [{{ id = \"{router}\", region = \"cn-hangzhou\" }}]\n"
    );
    for cen in [Some(cen), granted.then_some(CEN)].into_iter().flatten() {
        world += &format!("\n[[grants]]\ncen = \"{cen}\"\ninstance = \"{}\"\norder_type = \"{OLD}\"\n", VPN.id);
    }
    world += &format!("\n[[attachments]]\ntransit_router = \"{router}\"\ninstance = \"{}\"\n", VPN.id);
    Plant::with_world(&world).await
}

#[tokio::test]
async fn a_vpn_connection_attached_elsewhere_is_found_before_anything_is_written() {
    // Of these the second would be cut off: revoked, and its new grant refused.
    for (granted, job) in [(false, granting(&VPN)), (true, changing(&VPN))] {
        let plant = vpn_attached_elsewhere(granted).await;
        let record = ends(&plant, job).await;
        assert_eq!(end(&record), (State::Failed, Reason::PreflightFailed), "{}", record.why);
        assert_eq!(record.ending.unwrap().findings, ["attached to tr-bp1su1ytdxtataupl0003"]);
        assert!(!plant.cloud.calls().iter().any(|c| c.operation.starts_with("Grant")), "nothing was even tried");
        assert_eq!(plant.effects(), Vec::<String>::new());
    }
    // What changes nothing of the grant is none of this check's business.
    let plant = vpn_attached_elsewhere(true).await;
    let record = ends(&plant, on(&VPN, grant("same", VPN.id))).await;
    assert_eq!(end(&record), (State::Completed, Reason::AlreadySatisfied), "{}", record.why);
}

#[tokio::test]
async fn not_being_allowed_to_read_what_a_vpn_connection_is_attached_to_is_a_finding_and_no_failure() {
    let forbidden = FaultKind::Error { http: 403, code: "Forbidden.RAM".into(), message: String::new() };
    let plant = plant(&VPN, Stands::NotGranted).await;
    plant.cloud.inject(Fault::new("DescribeVpnAttachments", forbidden.clone()).times(100));
    let uid = plant.job(granting(&VPN)).await;
    plant.run().await;
    let data = plant.events(uid).await.pop().unwrap()["data"].clone();
    assert_eq!((&data["state"], &data["reason"]), (&json!("completed"), &json!("done")));
    let finding = data["findings"][0].as_str().unwrap();
    assert!(finding.contains("could not be read") && finding.contains("Forbidden.RAM"), "{finding}");

    // Then it is for the cloud to refuse it.
    let plant = vpn_attached_elsewhere(false).await;
    plant.cloud.inject(Fault::new("DescribeVpnAttachments", forbidden).times(100));
    let record = ends(&plant, granting(&VPN)).await;
    assert_eq!(end(&record), (State::Failed, Reason::RefusedByCloud), "{}", record.why);
    assert!(record.ending.unwrap().message.contains("SimVpnAttached"));

    // A service that is only busy is asked again.
    let plant = vpn_attached_elsewhere(false).await;
    let busy = FaultKind::Error { http: 503, code: "ServiceUnavailable".into(), message: String::new() };
    plant.cloud.inject(Fault::new("DescribeVpnAttachments", busy).times(3));
    let record = ends(&plant, granting(&VPN)).await;
    assert_eq!(end(&record), (State::Failed, Reason::PreflightFailed), "{}", record.why);
}

#[tokio::test]
async fn a_lost_answer_about_a_ccn_is_looked_for_and_no_write_has_two_effects() {
    for kind in [FaultKind::DropAfter, FaultKind::DropBefore] {
        for (operation, stands, job, effects) in [
            ("GrantInstanceToCbn", Stands::NotGranted, granting(&CCN), 1),
            ("RevokeInstanceFromCbn", Stands::Granted, revoking(&CCN), 1),
            ("DetachCenChildInstance", Stands::Attached, deleting(&CCN), 2),
        ] {
            let plant = plant(&CCN, stands).await;
            plant.cloud.inject(Fault::new(operation, kind.clone()));
            let record = ends(&plant, job).await;
            assert_eq!(end(&record), DONE, "{operation} {kind:?}: {}", record.why);
            assert_eq!(plant.effects().len(), effects, "{operation} {kind:?}");
            let sends = if kind == FaultKind::DropBefore { 2 } else { 1 };
            assert_eq!(record.writes[0].sends, sends, "{operation} {kind:?}");
        }
    }
}
