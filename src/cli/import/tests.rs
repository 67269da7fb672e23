//! The import against the simulated cloud, and every verdict.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use super::known::KnownJobs;
use super::shown::Payers;
use super::state::{self, StateFormat};
use super::verdict::{Verdict, Word, judge};
use super::*;
use crate::cloud::CallObserver;
use crate::domain::{AccountUid, Operation, OrderType};

const FILE: &[u8] = include_bytes!("../../../tests/data/terraform/state.json");
const SHOWN: &[u8] = include_bytes!("../../../tests/data/terraform/shown.json");
const GRANT: &str = "alicloud_cen_transit_router_grant_attachment";
const ATTACHMENT: &str = "alicloud_cen_transit_router_vpc_attachment";

#[derive(Default)]
struct Calls(Mutex<Vec<Operation>>);

impl crate::engine::ports::trace::Tracer for Calls {}

impl CallObserver for Calls {
    fn called(&self, operation: Operation, _: &AccountUid, _: &str, _: Duration) {
        self.0.lock().unwrap().push(operation);
    }
}

/// The rows of a state in the simulated cloud, with more in its world, and the calls that were made for them. `with` chooses
/// among the accounts.
async fn answered(state: &[u8], more: &str, with: impl Fn(&str) -> bool) -> (Vec<Row>, StateFormat, Vec<Operation>) {
    let dir = tempfile::tempdir().unwrap();
    let world = dir.path().join("world.toml");
    std::fs::write(&world, format!("{}\n{more}", include_str!("../../../examples/world.toml"))).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut access = CloudAccess::simulated(Some(&world), Hour::REAL, Arc::clone(&clock)).unwrap();
    access.credentials.retain(|account| with(account.uid.as_str()));
    let catalog = catalog(&access.overrides).unwrap();
    let calls = Arc::new(Calls::default());
    let readers = accounts(access, &catalog, &clock, Arc::clone(&calls) as _).unwrap();
    let state = state::read(state).unwrap();
    let worker = WorkerJobs::new(Err("no worker is asked".into()));
    let rows = rows(owned(&state, &[]), &readers, worker).await;
    let mut calls = calls.0.lock().unwrap().clone();
    // Before the first call the client asks whose key it is.
    calls.retain(|operation| *operation != Operation::GetCallerIdentity);
    (rows, state.format, calls)
}

fn words(rows: &[Row]) -> Vec<Word> {
    rows.iter().map(|row| row.verdict.word).collect()
}

fn state(resources: &[Value]) -> Vec<u8> {
    json!({"version": 4, "resources": resources}).to_string().into_bytes()
}

/// One managed resource with one instance.
fn resource(kind: &str, name: &str, instance: Value) -> Value {
    json!({"mode": "managed", "type": kind, "name": name, "provider": "p", "instances": [instance]})
}

fn grant(instance: &str, order_type: &str) -> Value {
    json!({"cen_id": "cen-44m0p68spvlrqq0001", "cen_owner_id": "1250123456123456", "instance_id": instance,
        "instance_type": "VPC", "order_type": order_type})
}

fn attachment(order_type: Option<&str>) -> Value {
    json!({"cen_id": "cen-44m0p68spvlrqq0001", "id": "cen-44m0p68spvlrqq0001:tr-attach-nls9fzkfat89340001",
        "vpc_id": "vpc-bp1h8vbrbcgohcju50001", "transit_router_id": "tr-bp1su1ytdxtataupl0001", "order_type": order_type})
}

#[tokio::test]
async fn one_list_is_read_for_each_type_of_a_cen_and_one_for_each_transit_router() {
    for state in [FILE, SHOWN] {
        let (rows, _, mut calls) = answered(state, "", |_| true).await;
        let expected = [
            Word::TakeOver,
            Word::Differs,
            Word::Gone,
            Word::Destroys,
            Word::Differs,
            Word::TakeOver,
            Word::Keep,
            Word::Unreadable,
            Word::Gone,
        ];
        assert_eq!(words(&rows), expected);
        calls.sort_by_key(Operation::to_string);
        let (rules, list) = (Operation::DescribeGrantRulesToCen, Operation::ListTransitRouterVpcAttachments);
        assert_eq!(calls, [rules, rules, list], "VPCs, CCNs, and the attachments of the transit router");
    }
}

#[tokio::test]
async fn the_text_has_accounts_payers_and_commands_and_no_secret() {
    let (rows, format, _) = answered(FILE, "", |_| true).await;
    let text = page::page(&rows, format).join("\n");
    for part in [
        "vpc-bp1h8vbrbcgohcju50001  1688000000000001  cen-44m0p68spvlrqq0001  1250123456123456  PayByCenOwner       PayByCenOwner",
        "PayByResourceOwner  PayByCenOwner",
        r#"  terraform state rm 'alicloud_cen_transit_router_grant_attachment.vpc["prod \"eu\""]'"#,
        r#"  terraform untaint 'alicloud_cen_transit_router_grant_attachment.vpc["stage"]'"#,
        "    from = module.net.alicloud_cen_instance_grant.older\n",
        "    ignore_changes = [order_type]",
        "instance_id is wrong",
        "1 unreadable, 1 destroys, 2 gone, 2 differs, 2 take-over, 1 keep, in a state file of format 4. Nothing was changed.",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let objects: Vec<String> = rows.iter().map(|row| page::object(row, format).to_string()).collect();
    for secret in ["s3cr3t", "psk-"] {
        assert!(!text.contains(secret) && !objects.concat().contains(secret), "{secret}");
    }
}

/// The job of a row that is to be taken over is one that the contract takes, and asks for what is there.
#[tokio::test]
async fn a_grant_to_take_over_comes_with_the_job_that_finds_it_granted() {
    let (rows, format, _) = answered(FILE, "", |_| true).await;
    let objects: Vec<Value> = rows.iter().map(|row| page::object(row, format)).collect();
    let jobs: Vec<&Value> = objects.iter().map(|object| &object["job"]).filter(|job| !job.is_null()).collect();
    assert_eq!(jobs.len(), 3);
    for job in jobs {
        let job = crate::cli::input::parse(job.to_string().as_bytes()).unwrap();
        assert_eq!(job.order_type, Some(OrderType::PayByCenOwner), "as the cloud shows it");
        assert_eq!((job.instance.region.as_str(), job.instance.owner.as_str()), ("cn-hangzhou", "1688000000000001"));
    }
}

#[tokio::test]
async fn without_a_credential_of_the_owner_of_the_cen_it_says_so_and_the_rest_is_listed() {
    let (rows, _, calls) = answered(FILE, "", |uid| uid != "1250123456123456").await;
    assert!(calls.is_empty());
    let unknown = "not sent: no credential is configured for account 1250123456123456";
    assert_eq!(rows[0].shown, Shown::Unknown(unknown.into()));
    assert_eq!((rows[0].verdict.word, rows[0].verdict.why.as_str()), (Word::Unknown, unknown));
    assert_eq!(rows[3].verdict.word, Word::Destroys, "that needs no cloud");
    assert!(!rows.iter().any(Row::is_whole));
}

#[tokio::test]
async fn a_refused_list_is_asked_once_and_is_the_reason_of_each_that_needed_it() {
    let refuse = "[[faults]]\noperation = \"DescribeGrantRulesToCen\"\ncount = 9\n\
                  kind = { error = { http = 403, code = \"Forbidden.RAM\" } }";
    let several = ["1", "2", "4"].map(|n| {
        resource(
            GRANT,
            &format!("g{n}"),
            json!({"attributes": grant(&format!("vpc-bp1h8vbrbcgohcju5000{n}"), "PayByCenOwner")}),
        )
    });
    let (rows, _, calls) = answered(&state(&several), refuse, |_| true).await;
    assert_eq!(calls.len(), 1);
    assert!(rows.iter().all(|row| row.verdict.word == Word::Unknown && row.verdict.why.contains("Forbidden.RAM")));
}

#[tokio::test]
async fn an_attachment_whose_cen_has_no_known_owner_says_how_to_name_it() {
    let alone = state(&[resource(ATTACHMENT, "a", json!({"attributes": attachment(Some("PayByCenOwner"))}))]);
    let (rows, _, _) = answered(&alone, "", |_| true).await;
    assert_eq!(rows[0].verdict.word, Word::Unknown);
    assert!(rows[0].verdict.why.ends_with("--cen UID/cen-44m0p68spvlrqq0001"), "{}", rows[0].verdict.why);
}

/// The verdict on the only resource of a state.
fn verdict(kind: &str, instance: Value, shown: &Shown, jobs: &Jobs) -> Verdict {
    let state = state::read(&state(&[resource(kind, "a", instance)])).unwrap();
    judge(&owned(&state, &[])[0], shown, jobs, None)
}

fn there(order_type: Option<OrderType>, billed: Option<OrderType>) -> Shown {
    Shown::There(Payers { order_type, effective_order_type: billed, ..Payers::default() })
}

#[test]
fn every_verdict_follows_from_the_state_the_cloud_and_the_jobs() {
    use OrderType::{PayByCenOwner as Cen, PayByResourceOwner as Resource};
    let none = Jobs::Known(KnownJobs::default());
    let vpc = "vpc-bp1h8vbrbcgohcju50001";
    let granted = |order_type: &str| json!({"attributes": grant(vpc, order_type)});
    let of_grant = |shown: &Shown| verdict(GRANT, granted("PayByCenOwner"), shown, &none).word;
    let (same, other) = (there(Some(Cen), Some(Cen)), there(Some(Resource), Some(Resource)));
    assert_eq!(of_grant(&same), Word::TakeOver);
    assert_eq!(of_grant(&other), Word::Differs);
    assert_eq!(of_grant(&there(Some(Cen), None)), Word::TakeOver);
    assert_eq!(of_grant(&there(None, None)), Word::Unknown);
    assert_eq!(of_grant(&Shown::Absent), Word::Gone);
    assert_eq!(of_grant(&Shown::Unknown("x".into())), Word::Unknown);
    let moving = verdict(GRANT, granted("PayByCenOwner"), &there(Some(Resource), Some(Cen)), &none);
    assert_eq!(moving.word, Word::Wait);
    assert_eq!(moving.why, "PayByResourceOwner is not in force yet: PayByCenOwner is billed");
    assert!(moving.commands.is_empty() && moving.configuration.is_empty(), "{moving:?}");
    assert_eq!(
        verdict(GRANT, granted(""), &other, &none).word,
        Word::TakeOver,
        "no payer in the state differs from none"
    );

    let of_attachment =
        |payer, shown: &Shown| verdict(ATTACHMENT, json!({"attributes": attachment(payer)}), shown, &none);
    assert_eq!(of_attachment(None, &there(Some(Cen), None)).word, Word::Keep);
    assert_eq!(of_attachment(Some("PayByCenOwner"), &there(Some(Cen), None)).word, Word::Share);
    let differs = of_attachment(Some("PayByCenOwner"), &there(Some(Resource), None));
    assert_eq!((differs.word, differs.commands.len()), (Word::Differs, 0), "an attachment stays Terraform's");
    assert!(differs.configuration.contains("ignore_changes"));
    assert_eq!(of_attachment(Some("PayByCenOwner"), &Shown::Absent).word, Word::Keep);
    let ecr = json!({"attributes": {"cen_id": "cen-44m0p68spvlrqq0001", "ecr_id": "ecr-n78omt2qsko06y0001"}});
    assert_eq!(verdict("alicloud_cen_transit_router_ecr_attachment", ecr, &Shown::NotAsked, &none).word, Word::Keep);
}

#[test]
fn a_job_that_has_not_ended_comes_before_the_cloud_and_the_fate_of_an_object_before_both() {
    let open = KnownJobs { count: 1, open: vec!["tickets/NET-1 a".into()], newest: None };
    let (open, same) = (Jobs::Known(open), there(Some(OrderType::PayByCenOwner), None));
    let attributes = grant("vpc-bp1h8vbrbcgohcju50001", "PayByCenOwner");
    let waits = verdict(GRANT, json!({"attributes": attributes}), &same, &open);
    assert_eq!((waits.word, waits.commands.len()), (Word::Wait, 0));
    assert!(waits.why.ends_with("crossgrant show 'tickets/NET-1 a'"), "{}", waits.why);

    let tainted = verdict(GRANT, json!({"attributes": attributes, "status": "tainted"}), &same, &open);
    assert_eq!((tainted.word, &tainted.commands[..]), (Word::Destroys, &[format!("terraform untaint {GRANT}.a")][..]));
    let deposed = json!({"attributes": attributes, "deposed": "8f4e2d1c"});
    let deposed = verdict(GRANT, deposed, &same, &open);
    assert_eq!((deposed.word, &deposed.commands[..]), (Word::Destroys, &[format!("terraform state rm {GRANT}.a")][..]));
}

#[tokio::test]
async fn a_grant_that_is_in_a_state_twice_says_so() {
    let vpc = "vpc-bp1h8vbrbcgohcju50001";
    let older = json!({"attributes": {"cen_id": "cen-44m0p68spvlrqq0001", "cen_owner_id": "1250123456123456",
        "child_instance_id": vpc}});
    let twice = state(&[
        resource(GRANT, "a", json!({"attributes": grant(vpc, "PayByCenOwner")})),
        resource("alicloud_cen_instance_grant", "b", older),
        resource(ATTACHMENT, "c", json!({"attributes": attachment(None)})),
    ]);
    let (rows, _, _) = answered(&twice, "", |_| true).await;
    let whys: Vec<&str> = rows.iter().map(|row| row.verdict.why.as_str()).collect();
    assert_eq!(whys, ["", &format!("{GRANT}.a is the same grant in this state"), ""]);
}

/// Names of resources are texts of strangers: they move no cursor and end no command.
#[tokio::test]
async fn a_hostile_address_stays_one_word_of_one_line() {
    let mut hostile = resource(GRANT, "a", json!({"attributes": grant("vpc-bp1h8vbrbcgohcju50001", "PayByCenOwner")}));
    hostile["module"] = json!("module.x'; reboot #\n\u{1b}[2J");
    let (rows, format, _) = answered(&state(&[hostile]), "", |_| true).await;
    let command = &rows[0].verdict.commands[0];
    assert!(command.starts_with(r"terraform state rm 'module.x'\''; reboot #"), "{command}");
    assert_eq!(rows[0].verdict.configuration.lines().count(), 6);
    let from = page::page(&rows, format).into_iter().find(|line| line.contains("from = ")).unwrap();
    assert!(from.contains(r"\u000a\u001b"), "{from}");
}

#[test]
fn what_cannot_be_read_is_told_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let absent = read(&dir.path().join("absent.tfstate")).unwrap_err();
    assert!(absent.code == Code::FileUnreadable && absent.message.contains("absent.tfstate"), "{absent}");
    let plan = dir.path().join("plan.json");
    std::fs::write(&plan, "{\"format_version\": \"1.2\", \"planned_values\": {}}").unwrap();
    let error = read(&plan).unwrap_err();
    assert!(error.code == Code::BadTerraformState && error.message.contains("plan.json: it is a plan"), "{error}");
    let large = dir.path().join("large.tfstate");
    std::fs::File::create(&large).unwrap().set_len(MAX_BYTES as u64 + 1).unwrap();
    assert!(read(&large).unwrap_err().message.ends_with("it has more than 64 MiB"));
    assert!(read(Path::new("/")).is_err());
}
