//! What the rules say of a cell: design §4 and the API document, stated once more and apart from the program. Nothing here
//! calls it; of the simulated cloud it knows the switches.

use crossgrant::domain::{InstanceType, OrderType};
use crossgrant::simulator::{Shown, Switches};

use super::cell::{Asks, Cell, Granted, Outcome, Place, Ran};
use super::settings::Named;

/// Both sides are written by half past ten, so this is the hour.
const HOUR: &str = "waiting for 11:00";
const VENDOR: &str = "a VBR is granted to another account only after the vendor has approved it for the two accounts, \
                      which cannot be read beforehand";

const NOT_SHOWN: &str = "account 1688000000000001 is shown no grant of the instance to the CEN: there is none, or the \
                         instance belongs to another account";

/// What becomes of a job that names other owners than there are: what the cloud shows of both tells it, or the refusal of
/// a grant. Of what is not granted the owner of the CEN alone knows that it is not, except of an ECR (API §H2).
pub fn expect_named(cell: &Cell, named: Named, switches: &Switches) -> Outcome {
    let right = expect(cell, switches);
    let found_out = match named {
        Named::Owners => return right,
        Named::AnotherForTheCen => true,
        Named::AnotherForTheInstance => {
            cell.granted != Granted::No || cell.asks == Asks::Grant || cell.of == InstanceType::ECR
        }
    };
    match right {
        // What is found is said in words of its own.
        Outcome::Ran(_) if found_out => Outcome::Ran(ends("failed: preflight-failed").finding(SOMETHING)),
        other => other,
    }
}

/// Whether only the refusal of a write tells that the job names another owner than there is.
pub fn is_found_out_by_the_write(cell: &Cell, named: Named) -> bool {
    let writes = cell.asks == Asks::Grant || cell.is_asked_of_the_cloud();
    named == Named::AnotherForTheInstance && cell.granted == Granted::No && writes
}

/// Stands for whatever a check finds.
pub const SOMETHING: &str = "something";

pub fn expect(cell: &Cell, switches: &Switches) -> Outcome {
    if let Some(pointer) = refused(cell) {
        return Outcome::Refused(vec![pointer.into()]);
    }
    if let Some(why) = impossible(cell) {
        return Outcome::Impossible(why);
    }
    let rules = Rules { cell, switches };
    Outcome::Ran(match cell.asks {
        Asks::Grant => rules.grant(),
        Asks::Revoke | Asks::RevokeDeleting => rules.revoke(),
        Asks::PayerChange => rules.payer_change(),
    })
}

/// Design §3: where the contract refuses it.
fn refused(cell: &Cell) -> Option<&'static str> {
    match (cell.asks, cell.of, cell.payer) {
        (Asks::PayerChange, InstanceType::CCN, _) => Some("/kind"),
        (Asks::PayerChange, _, None) => Some("/order_type"),
        (Asks::Grant, InstanceType::CCN, Some(_)) => Some("/order_type"),
        (Asks::Revoke | Asks::RevokeDeleting, _, Some(_)) => Some("/order_type"),
        _ => None,
    }
}

/// API §A: what no call of the cloud leads to.
fn impossible(cell: &Cell) -> Option<String> {
    use InstanceType::{CCN, ECR, VPN};
    let (of, place) = (cell.of, cell.place);
    let changed = matches!(place, Place::Pending | Place::AttachedPending | Place::AttachedHalf);
    let why = match (cell.granted, of) {
        (Granted::No, _) if !place.attachments().is_empty() => {
            "the instance is not granted to the CEN, so it cannot be attached".into()
        }
        (Granted::Other, CCN) => "the grant of a CCN has no payer, so the instance has none".into(),
        // As it has none, none can be pending: such a grant is the same as one at rest, and that is another cell.
        (_, CCN) if changed => "the grant of a CCN has no payer, so the instance has none".into(),
        (_, ECR) if changed => {
            "the payer of an ECR never changes, so the grant of the instance cannot be waiting for the hour".into()
        }
        (_, VPN | ECR) if place == Place::Basic => format!("the Basic Edition connects no {of}"),
        (_, VPN | CCN) if place == Place::Twice => {
            "the instance is attached already, and can be attached only once".into()
        }
        _ => return None,
    };
    Some(why)
}

/// Whether the cloud refuses a write for a reason that can be read nowhere beforehand: that of granting a VBR, at first or
/// again.
pub fn is_refused_unforeseen(cell: &Cell, switches: &Switches) -> bool {
    let rules = Rules { cell, switches };
    let grants = match cell.asks {
        Asks::Grant => cell.granted == Granted::No,
        Asks::PayerChange => cell.granted == Granted::Other && rules.staying().next().is_none(),
        Asks::Revoke | Asks::RevokeDeleting => false,
    };
    rules.is_not_approved() && grants
}

struct Rules<'a> {
    cell: &'a Cell,
    switches: &'a Switches,
}

impl Rules<'_> {
    fn grant(&self) -> Ran {
        match self.cell.granted {
            Granted::Same => ends("completed: already-satisfied"),
            Granted::Other => ends("failed: payer-differs"),
            Granted::No if self.is_vpn_elsewhere() => self.not_free(),
            Granted::No if self.is_not_approved() => ends("failed: refused-by-cloud").finding(VENDOR),
            Granted::No => ends("completed: done").writes([self.granting()]),
        }
    }

    fn revoke(&self) -> Ran {
        let attached = self.attached();
        match self.cell.granted {
            Granted::No => {
                let elsewhere = (self.cell.place == Place::Elsewhere).then(|| "another CEN".to_owned());
                Ran { granted_to: elsewhere.into_iter().collect(), ..ends("completed: already-absent") }
            }
            _ if self.cell.asks == Asks::Revoke && !attached.is_empty() => {
                let findings = attached.iter().enumerate().map(|(n, status)| {
                    // An attachment of the Basic Edition has no id but that of its instance.
                    let name = if self.is_basic() { "the instance".into() } else { format!("attachment {}", n + 1) };
                    format!("attached by {name} ({status})")
                });
                Ran { findings: findings.collect(), ..ends("failed: attached") }
            }
            _ => {
                let deleting = self.staying().map(|n| self.deleting(n));
                ends("completed: done").writes(deleting.chain([self.revoking()]))
            }
        }
    }

    fn payer_change(&self) -> Ran {
        let (cell, goal) = (self.cell, self.cell.goal());
        if cell.granted == Granted::No {
            // What one account is not shown of an ECR need not be absent: it may be another's (API §H2).
            return match cell.of {
                InstanceType::ECR => ends("failed: preflight-failed").finding(NOT_SHOWN),
                _ => ends("failed: not-granted"),
            };
        }
        let attached = self.staying().next().is_some();
        let shown = match self.switches.effective_order_type {
            Shown::Always => true,
            Shown::Attached => attached,
            Shown::Never => false,
        };
        let in_force = cell.in_force() == goal;
        if !attached {
            return match cell.granted {
                // Nothing is attached, and nothing is written that could be missing.
                Granted::Same if shown && !in_force && !self.switches.unattached_takes_effect => {
                    waits("failed: detached")
                }
                Granted::Same if shown && !in_force => waits("completed: already-satisfied"),
                Granted::Same => ends("completed: already-satisfied"),
                _ if self.is_vpn_elsewhere() => self.not_free(),
                _ if self.is_still_listed() => ends("failed: preflight-failed").finding("attached to router 1"),
                // Never given up quietly: the network is not authorized.
                _ if self.is_not_approved() => ends("parked: half-done, half done").writes([self.revoking()]),
                _ => ends("completed: done").writes([self.revoking(), self.granting()]),
            };
        }
        let written = cell.on_grant() == goal && cell.on_attachments() == goal;
        match cell.of {
            _ if self.is_basic() => ends("failed: payer-not-changeable"),
            _ if written && in_force && shown => ends("completed: already-satisfied"),
            _ if written && shown => waits("completed: already-satisfied"),
            // Unknown completes, fails and writes nothing.
            _ if written => ends("parked: gave-up"),
            InstanceType::ECR => ends("failed: payer-not-changeable"),
            _ => {
                let modifying = (cell.on_grant() != goal).then(|| self.modifying());
                let stale = cell.on_attachments() != goal;
                let updating = self.staying().filter(|_| stale).map(|n| self.updating(n));
                let ran = if shown { waits("completed: done") } else { waits("overdue").then("parked: gave-up") };
                ran.writes(modifying.into_iter().chain(updating))
            }
        }
    }

    /// The status of each attachment when the job comes. Where nothing takes time, nothing is busy.
    fn attached(&self) -> Vec<&'static str> {
        let attachments = self.cell.place.attachments().iter().copied();
        match self.switches.attachment_delay.is_zero() {
            true => attachments.filter(|status| *status != "Detaching").map(|_| "Attached").collect(),
            false => attachments.collect(),
        }
    }

    /// The attachments that do not go by themselves.
    fn staying(&self) -> impl Iterator<Item = usize> {
        let attachments = self.attached().into_iter().enumerate();
        attachments.filter(|(_, status)| *status != "Detaching").map(|(n, _)| n + 1)
    }

    /// An IPsec-VPN connection that is detached, and whose owner is still shown its attachment: nothing is written.
    fn is_still_listed(&self) -> bool {
        let lag = |read: &str| self.switches.read_lag.get(read).copied().unwrap_or_default();
        let late = lag("DescribeVpnAttachments") > lag("ListTransitRouterVpnAttachments");
        self.cell.of == InstanceType::VPN && self.attached() == ["Detaching"] && late
    }

    /// An IPsec-VPN connection is granted only while it is attached to nothing (API §A.1).
    fn is_vpn_elsewhere(&self) -> bool {
        self.cell.of == InstanceType::VPN && self.cell.place == Place::Elsewhere
    }

    fn is_not_approved(&self) -> bool {
        self.cell.of == InstanceType::VBR && !self.switches.vbr_enabled
    }

    /// A CCN has no attachment of the Enterprise Edition (API §A.9).
    fn is_basic(&self) -> bool {
        self.cell.of == InstanceType::CCN || self.cell.place == Place::Basic
    }

    fn not_free(&self) -> Ran {
        ends("failed: preflight-failed").finding("attached to the router of another CEN")
    }

    fn granting(&self) -> String {
        let operation =
            if self.cell.of == InstanceType::CCN { "GrantInstanceToCbn" } else { "GrantInstanceToTransitRouter" };
        write(operation, RESOURCE, "the instance", self.cell.goal())
    }

    fn revoking(&self) -> String {
        let ccn = self.cell.of == InstanceType::CCN;
        let operation = if ccn { "RevokeInstanceFromCbn" } else { "RevokeInstanceFromTransitRouter" };
        write(operation, RESOURCE, "the instance", None)
    }

    fn modifying(&self) -> String {
        write("ModifyGrantInstanceToTransitRouter", RESOURCE, "the instance", self.cell.goal())
    }

    fn updating(&self, n: usize) -> String {
        let operation = format!("UpdateTransitRouter{}AttachmentAttribute", self.word());
        write(&operation, TRANSIT_ROUTER, &format!("attachment {n}"), self.cell.goal())
    }

    fn deleting(&self, n: usize) -> String {
        let operation = match self.is_basic() {
            true => "DetachCenChildInstance".into(),
            false => format!("DeleteTransitRouter{}Attachment", self.word()),
        };
        write(&operation, TRANSIT_ROUTER, &format!("attachment {n}"), None)
    }

    fn word(&self) -> &'static str {
        match self.cell.of {
            InstanceType::VPC => "Vpc",
            InstanceType::VBR => "Vbr",
            InstanceType::VPN => "Vpn",
            InstanceType::ECR => "Ecr",
            InstanceType::CCN => "Ccn",
        }
    }
}

/// The account that owns the instance, and the one that owns the CEN.
pub const RESOURCE: &str = "resource";
pub const TRANSIT_ROUTER: &str = "transit-router";

/// A write, as both the expectation and the ledger put it.
pub fn write(operation: &str, account: &str, resource: &str, payer: Option<OrderType>) -> String {
    let payer = payer.map(|payer| format!(": {payer}")).unwrap_or_default();
    format!("{operation} by the {account} account on {resource}{payer}")
}

fn ends(said: &str) -> Ran {
    Ran::default().then(said)
}

fn waits(then: &str) -> Ran {
    ends(HOUR).then(then)
}

impl Ran {
    fn then(mut self, said: &str) -> Self {
        self.said.push(said.to_owned());
        self
    }

    fn finding(mut self, finding: &str) -> Self {
        self.findings.push(finding.to_owned());
        self
    }

    fn writes(self, writes: impl IntoIterator<Item = String>) -> Self {
        Self { writes: writes.into_iter().collect(), ..self }
    }
}
