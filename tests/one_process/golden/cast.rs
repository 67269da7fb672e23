//! The jobs of the next golden store: what each asks for, where it stands when the store is closed, and how it must end.
//! Each has an instance of its own, unless it stands behind another in a line.

use crossgrant::domain::InstanceType::{self, CCN, ECR, VBR, VPC, VPN};
use crossgrant::domain::Reason;
use crossgrant::engine::record::State::{self, *};
use crossgrant::engine::record::{Outcome, Record};
use serde_json::{Value, json};

use super::manifest::{Entry, Person};
use super::scene;

/// How an instance stands before its job comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    NotGranted,
    /// Granted, the owner of the CEN pays.
    Granted,
    /// Granted and attached, the owner of the CEN pays.
    Attached,
}
use Place::{Attached, Granted, NotGranted};

/// A job, and its part.
#[derive(Debug, Clone)]
pub struct Role {
    pub id: &'static str,
    kind: &'static str,
    pub of: InstanceType,
    pub place: Place,
    more: &'static str,
    behind: Option<&'static str>,
    /// The account that its message names as the owner of the instance.
    owner: &'static str,
    pub cen: usize,
    /// What its record has when the store is closed.
    pub has: fn(&Record) -> bool,
    found: State,
    why: Option<Reason>,
    person: Option<Person>,
    end: State,
    because: Reason,
    writes: &'static [&'static str],
}

const OTHER: &str = r#"{"order_type": "PayByResourceOwner"}"#;
const BACK: &str = r#"{"order_type": "PayByCenOwner"}"#;
const PLAN_OTHER: &str = r#"{"mode": "plan", "order_type": "PayByResourceOwner"}"#;
const DELETE: &str = r#"{"options": {"attachments": "delete"}}"#;
const LATER: &str = r#"{"not_before": "2026-11-22T08:00:00Z", "labels": {"window": "sunday"}}"#;
const OF_THREE: &str = r#"{"batch": {"id": "three", "size": 3, "not_after": "2026-11-22T09:00:00Z"}}"#;
const OF_THREE_LATER: &str = r#"{"not_before": "2026-11-22T08:00:00Z",
    "batch": {"id": "three", "size": 3, "not_after": "2026-11-22T09:00:00Z"}}"#;
const STOPPING: &str = r#"{"batch": {"id": "stopping", "size": 2, "on_failure": "stop"}}"#;
const STOPPING_LATER: &str = r#"{"not_before": "2026-11-22T08:00:00Z",
    "batch": {"id": "stopping", "size": 2, "on_failure": "stop"}}"#;
const TOO_LATE: &str = r#"{"not_after": "2026-11-21T06:00:00Z"}"#;

const GRANT: &str = "GrantInstanceToTransitRouter PayByCenOwner";
const GRANT_OTHER: &str = "GrantInstanceToTransitRouter PayByResourceOwner";
const GRANT_CCN: &str = "GrantInstanceToCbn";
const DELETE_VPC: &str = "DeleteTransitRouterVpcAttachment";
const REVOKE: &str = "RevokeInstanceFromTransitRouter";
const MODIFY_BACK: &str = "ModifyGrantInstanceToTransitRouter PayByCenOwner";
const UPDATE_VPC: &str = "UpdateTransitRouterVpcAttachmentAttribute PayByResourceOwner";
const UPDATE_VBR: &str = "UpdateTransitRouterVbrAttachmentAttribute PayByResourceOwner";

/// Every job.
pub fn cast() -> Vec<Role> {
    vec![
        // Ended.
        role("granted-vbr", "grant", VBR, NotGranted).with(OTHER).ended(Completed, Reason::Done),
        role("granted-ccn", "grant", CCN, NotGranted).ended(Completed, Reason::Done),
        role("detached-and-revoked", "revoke", VBR, Attached).with(DELETE).ended(Completed, Reason::Done),
        role("granted-elsewhere", "revoke", VPC, NotGranted).ended(Completed, Reason::AlreadyAbsent),
        role("granted-anew", "payer-change", VPN, Granted).with(OTHER).ended(Completed, Reason::Done),
        role("changed", "payer-change", VPC, Attached).with(OTHER).ended(Completed, Reason::Done),
        role("planned-payer", "payer-change", VPC, Attached).with(PLAN_OTHER).ended(Planned, Reason::Planned),
        role("attached", "revoke", VPC, Attached).ended(Failed, Reason::Attached),
        role("attached-ecr", "payer-change", ECR, Attached).with(OTHER).ended(Failed, Reason::PayerNotChangeable),
        role("expired", "grant", VPC, NotGranted).with(TOO_LATE).ended(Failed, Reason::Expired),
        role("put-back", "payer-change", VPC, Attached).with(OTHER).ended(Failed, Reason::RefusedByCloud),
        role("overridden", "payer-change", VPC, Attached).with(OTHER).ended(Failed, Reason::Overridden),
        role("superseded", "payer-change", VPC, Attached).with(OTHER).ended(Superseded, Reason::SupersededByNewer),
        role("superseding", "payer-change", VPC, Attached)
            .with(BACK)
            .behind("superseded")
            .ended(Completed, Reason::Done),
        role("cancelled-between", "payer-change", VPC, Attached)
            .with(OTHER)
            .ended(Cancelled, Reason::CancelledByOperator),
        role("not-allowed", "grant", VPC, NotGranted).ended(Failed, Reason::RefusedByPolicy),
        role("other-site", "grant", VPC, NotGranted)
            .ended(Failed, Reason::PreflightFailed)
            .having(|record| !record.objections.is_empty()),
        role("approved", "revoke", VPC, Granted).ended(Completed, Reason::Done).having(|record| {
            record.approved_at.is_some() && record.commands.iter().any(|told| told.mandate.by.is_some())
        }),
        role("refused-and-granted", "grant", VPC, NotGranted)
            .ended(Completed, Reason::AlreadySatisfied)
            .having(|record| record.before.is_none() && !record.writes.is_empty()),
        role("detached", "payer-change", VPC, Attached).with(OTHER).ended(Failed, Reason::Detached),
        // Parked.
        role("unread", "grant", VPC, NotGranted).in_cen(2).parked(Reason::GaveUp).by(Person::Cancel, Cancelled, &[]),
        role("unread-too", "grant", VPC, NotGranted).in_cen(2).parked(Reason::GaveUp).by(
            Person::Resume,
            Completed,
            &[GRANT],
        ),
        role("never-in-force", "payer-change", VPC, Attached).with(OTHER).parked(Reason::GaveUp).by(
            Person::Resume,
            Completed,
            &[],
        ),
        role("between", "payer-change", VPN, Granted).with(OTHER).parked(Reason::HalfDone).by(
            Person::Resume,
            Completed,
            &[GRANT_OTHER],
        ),
        role("between-and-back", "payer-change", VBR, Granted).with(OTHER).parked(Reason::HalfDone).by(
            Person::Cancel,
            Cancelled,
            &[GRANT],
        ),
        role("half-put-back", "payer-change", VPC, Attached).with(OTHER).parked(Reason::HalfDone).by(
            Person::Resume,
            Failed,
            &[MODIFY_BACK],
        ),
        role("over-the-limit", "revoke", VPC, Granted).parked(Reason::NeedsApproval).by(
            Person::Approve,
            Completed,
            &[REVOKE],
        ),
        // Waiting.
        role("overdue", "payer-change", VPC, Attached).with(OTHER).found(Waiting).ends(&[]),
        role("in-doubt", "payer-change", VPC, Attached).with(OTHER).found(Waiting).ends(&[]),
        role("waiting", "payer-change", VPC, Attached).with(OTHER).found(Waiting).ends(&[]),
        role("waiting-vpn", "payer-change", VPN, Attached).with(OTHER).found(Waiting).ends(&[]),
        role("written-late", "payer-change", VPC, Attached)
            .with(OTHER)
            .found(Waiting)
            .having(|record| record.mended)
            .ends(&[]),
        // Running, and at rest until the next look or try.
        role("unattached-once", "payer-change", VPC, Granted)
            .with(OTHER)
            .found(Running)
            .having(|record| record.empty_since.attachments.is_some())
            .ends(&[REVOKE, GRANT_OTHER]),
        role("empty-list", "revoke", VPC, Attached)
            .with(DELETE)
            .found(Running)
            .having(|record| record.empty_since.attachments.is_some())
            .ends(&[DELETE_VPC, REVOKE]),
        role("cen-not-shown", "grant", VPC, NotGranted)
            .in_cen(2)
            .found(Running)
            .having(|record| record.empty_since.cen.is_some())
            .ends(&[GRANT]),
        role("gone-once", "revoke", ECR, Granted)
            .found(Running)
            .having(|record| record.empty_since.grant.is_some())
            .ends(&[]),
        role("keys-just-refused", "grant", VPC, NotGranted)
            .found(Running)
            .having(|record| record.keys_refused_since.is_some())
            .ends(&[GRANT]),
        role("sent-again", "payer-change", VPC, Attached)
            .with(OTHER)
            .found(Running)
            .having(|record| record.writes.iter().any(|write| write.unsettled))
            .ends(&[UPDATE_VPC]),
        // Running, by a worker that died.
        role("in-an-undo", "payer-change", VBR, Attached).with(OTHER).found(Running).fails(&[MODIFY_BACK]),
        role("not-sent", "grant", VPC, NotGranted).found(Running).ends(&[GRANT]),
        role("not-sent-ccn", "grant", CCN, NotGranted).found(Running).ends(&[GRANT_CCN]),
        role("not-answered", "revoke", VPN, Granted).found(Running).ends(&[]),
        role("detach-not-answered", "revoke", VPC, Attached).with(DELETE).found(Running).ends(&[REVOKE]),
        role("one-side", "payer-change", VBR, Attached).with(OTHER).found(Running).ends(&[UPDATE_VBR]),
        role("both-sides-unknown", "payer-change", VPC, Attached).with(OTHER).found(Running).ends(&[]),
        role("revoked-only", "payer-change", ECR, Granted).with(OTHER).found(Running).ends(&[GRANT_OTHER]),
        role("told-of-none-just-now", "revoke", ECR, NotGranted)
            .found(Running)
            .having(was_told_that_it_is_done)
            .finds(Reason::AlreadyAbsent),
        role("unchecked", "grant", VPN, NotGranted)
            .found(Running)
            .having(|record| !record.unchecked.is_empty())
            .ends(&[GRANT]),
        role("tries-again", "payer-change", VPC, Attached)
            .with(OTHER)
            .found(Running)
            .having(|record| record.gives_up_at.is_some())
            .ends(&[UPDATE_VPC]),
        // Queued.
        role("to-be-written", "payer-change", VPC, Attached)
            .with(OTHER)
            .found(Queued)
            .having(|record| record.mended)
            .ends(&[UPDATE_VPC]),
        role("taken-up", "revoke", VPC, Granted).found(Queued).ends(&[REVOKE]),
        role("held", "grant", VPC, NotGranted).in_cen(3).found(Queued).by(Person::Unpause, Completed, &[GRANT]),
        role("fresh", "grant", VBR, NotGranted).with(OTHER).found(Queued).ends(&[GRANT_OTHER]),
        role("second-in-line", "grant", VPC, Attached).behind("half-put-back").found(Queued).by(
            Person::FreeTheLine,
            Completed,
            &[],
        ),
        role("later", "grant", ECR, NotGranted).with(LATER).found(Queued).ends(&[GRANT]),
        role("of-another-owner", "grant", VPC, Attached)
            .behind("half-put-back")
            .owned_by(scene::PAUSED)
            .found(Queued)
            .by(Person::FreeTheLine, Failed, &[]),
        // What came back with a backup, and what another job has overtaken.
        role("restored", "grant", VPC, NotGranted)
            .parked(Reason::Restored)
            .having(|record| record.restored_at.is_some())
            .by(Person::Resume, Completed, &[GRANT]),
        role("overtaken", "revoke", VPC, Granted)
            .parked(Reason::NeedsApproval)
            .having(|record| record.overtaken_by.is_some())
            .by(Person::Approve, Completed, &[REVOKE]),
        role("overtaking", "payer-change", VPC, Granted).with(OTHER).behind("overtaken").ended(Completed, Reason::Done),
        // Of batches: the third job of one never comes, and one was stopped and has ended. Every third part has one requester.
        role("first-of-three", "grant", VPC, NotGranted).with(OF_THREE).ended(Completed, Reason::Done),
        role("stops-the-other", "revoke", VPC, Attached).with(STOPPING).ended(Failed, Reason::Attached),
        role("fresh-ecr", "grant", ECR, NotGranted).found(Queued).ends(&[GRANT]),
        role("second-of-three", "grant", VPC, NotGranted).with(OF_THREE_LATER).found(Queued).ends(&[GRANT]),
        role("stopped-by-the-other", "grant", VPC, NotGranted)
            .with(STOPPING_LATER)
            .ended(Cancelled, Reason::BatchStopped),
    ]
}

/// Whether the cloud refused a write of it because there was nothing to do.
fn was_told_that_it_is_done(record: &Record) -> bool {
    record.writes.iter().any(|write| matches!(write.outcome, Outcome::Refused { done: true, .. }))
}

fn role(id: &'static str, kind: &'static str, of: InstanceType, place: Place) -> Role {
    Role {
        id,
        kind,
        of,
        place,
        more: "{}",
        behind: None,
        owner: scene::RESOURCE,
        cen: 1,
        has: |_| true,
        found: Queued,
        why: None,
        person: None,
        end: Completed,
        because: Reason::Done,
        writes: &[],
    }
}

impl Role {
    fn with(self, more: &'static str) -> Self {
        Self { more, ..self }
    }

    fn behind(self, other: &'static str) -> Self {
        Self { behind: Some(other), ..self }
    }

    fn owned_by(self, owner: &'static str) -> Self {
        Self { owner, ..self }
    }

    fn in_cen(self, cen: usize) -> Self {
        Self { cen, ..self }
    }

    fn ended(self, end: State, because: Reason) -> Self {
        Self { found: end, why: Some(because), end, because, ..self }
    }

    fn parked(self, why: Reason) -> Self {
        Self { found: Parked, why: Some(why), ..self }
    }

    fn found(self, found: State) -> Self {
        Self { found, ..self }
    }

    fn having(self, has: fn(&Record) -> bool) -> Self {
        Self { has, ..self }
    }

    /// Completes without a write.
    fn finds(self, because: Reason) -> Self {
        Self { because, ..self }
    }

    fn ends(self, writes: &'static [&'static str]) -> Self {
        Self { writes, ..self }
    }

    fn fails(self, writes: &'static [&'static str]) -> Self {
        Self { end: Failed, because: Reason::RefusedByCloud, writes, ..self }
    }

    fn by(self, person: Person, end: State, writes: &'static [&'static str]) -> Self {
        let because = match end {
            Cancelled => Reason::CancelledByOperator,
            Failed if person == Person::FreeTheLine => Reason::PreflightFailed,
            Failed => Reason::RefusedByCloud,
            _ if person == Person::FreeTheLine => Reason::AlreadySatisfied,
            _ => Reason::Done,
        };
        Self { person: Some(person), end, because, writes, ..self }
    }
}

/// A role with its number, which its ids are made of.
#[derive(Debug, Clone)]
pub struct Part {
    pub role: Role,
    pub number: usize,
    /// The number of its instance.
    pub on: usize,
}

/// Every role with its number.
pub fn parts() -> Vec<Part> {
    let cast = cast();
    let place = |id: &str| cast.iter().position(|role| role.id == id).unwrap();
    let part = |role: &Role| {
        let number = place(role.id);
        Part { on: role.behind.map_or(number, place), number, role: role.clone() }
    };
    cast.iter().map(part).collect()
}

impl Part {
    pub fn region(&self) -> &'static str {
        if self.role.of == CCN { "cn-shanghai" } else { "cn-hangzhou" }
    }

    pub fn instance(&self) -> String {
        format!("{}golden{:012}", self.role.of.prefix(), self.on)
    }

    pub fn attachment(&self) -> String {
        format!("tr-attach-golden{:010}", self.on)
    }

    pub fn user(&self) -> Option<&'static str> {
        [Some("billing"), Some("network-ops"), None][self.number % 3]
    }

    pub fn message(&self) -> String {
        let (region, owner) = (self.region(), self.role.owner);
        let mut message = json!({
            "id": self.role.id,
            "kind": self.role.kind,
            "instance": {"type": self.role.of, "id": self.instance(), "region": region, "owner": owner},
            "cen": {"id": scene::cen(self.role.cen), "owner": scene::cen_owner(self.role.cen)},
        });
        let more: Value = serde_json::from_str(self.role.more).unwrap();
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        message.to_string()
    }

    /// What the manifest says of it.
    pub fn entry(&self) -> Entry {
        let Role { found, why, person, end, because, writes, .. } = self.role;
        Entry {
            user: self.user().map(str::to_owned),
            message: self.message(),
            found,
            why,
            person,
            end,
            because,
            writes: writes.iter().map(|write| (*write).to_owned()).collect(),
        }
    }
}
