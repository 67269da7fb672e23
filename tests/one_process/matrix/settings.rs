//! The settings of the simulated cloud under which the cells are run.

use std::collections::BTreeMap;

use crossgrant::simulator::{ChildInstances, ChildRows, EcrRules, OkOrError, Shown, Switches, TimeForm};
use jiff::SignedDuration;

use super::cell::Place;

/// The name of the first setting.
pub const DEFAULT: &str = "the default";

/// The places of every setting: not attached, attached, and busy.
const FEW: &[Place] = &[Place::Unattached, Place::Attached, Place::Attaching];
/// Those at which it matters what is shown of a payer in force.
const PAYING: &[Place] = &[
    Place::Unattached,
    Place::Attached,
    Place::Attaching,
    Place::Detaching,
    Place::Pending,
    Place::AttachedPending,
    Place::AttachedHalf,
];
/// Those at which a list that is late shows something else.
const MOVING: &[Place] = &[Place::Unattached, Place::Attached, Place::Attaching, Place::Detaching];
/// Those that the list of child instances shows.
const CHILDREN: &[Place] =
    &[Place::Attached, Place::Attaching, Place::Modifying, Place::Detaching, Place::Twice, Place::Basic];
/// Those at which something is written without waiting first.
const STILL: &[Place] = &[Place::Unattached, Place::Attached];

/// One setting.
#[derive(Debug, Clone)]
pub struct Setting {
    pub name: String,
    pub switches: Switches,
    /// Whether every write is sent twice, so that the cloud is asked for what it has just done.
    pub twice: bool,
    pub places: &'static [Place],
    /// Whether each cell has a worker and a cloud of its own.
    pub alone: bool,
    /// Of every list of attachments of an instance or its CEN, which one is empty although nothing is gone.
    pub empty: Option<u32>,
    /// Whom the jobs name.
    pub named: Named,
}

/// Whom jobs name as the owners of the instance and of the CEN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    Owners,
    /// Another account than the CEN's, which has keys.
    AnotherForTheCen,
    /// Another account than the instance's, which has keys.
    AnotherForTheInstance,
}

impl Setting {
    fn of(name: impl Into<String>, change: impl FnOnce(&mut Switches)) -> Self {
        let mut switches = Switches::default();
        change(&mut switches);
        Self { name: name.into(), switches, twice: false, places: FEW, alone: false, empty: None, named: Named::Owners }
    }

    fn empty(which: u32) -> Self {
        let name = format!("list of attachments number {} is empty, once", which + 1);
        Self { empty: Some(which), ..Self::of(name, |_| {}).at(STILL) }
    }

    fn named(named: Named, name: &str) -> Self {
        Self { named, ..Self::of(name, |_| {}).at(STILL) }
    }

    fn alone(self) -> Self {
        Self { alone: true, ..self }
    }

    fn at(self, places: &'static [Place]) -> Self {
        Self { places, ..self }
    }

    fn twice(self) -> Self {
        Self { name: format!("{}; every write sent twice", self.name), twice: true, ..self }
    }
}

/// The default first, then each switch at each other value, then several together.
pub fn settings() -> Vec<Setting> {
    let mut all = vec![Setting::of(DEFAULT, |_| {}).at(&Place::ALL)];
    all.extend(one_at_a_time());
    all.extend(together());
    all.extend((0..6).map(Setting::empty));
    all.push(Setting::named(Named::AnotherForTheCen, "the job names the wrong owner of the CEN"));
    all.push(Setting::named(Named::AnotherForTheInstance, "the job names the wrong owner of the instance"));
    all
}

const READS: [&str; 9] = [
    "DescribeGrantRulesToCen",
    "DescribeGrantRulesToResource",
    "DescribeGrantRules",
    "DescribeVpnAttachments",
    "ListTransitRouterVpcAttachments",
    "ListTransitRouterVbrAttachments",
    "ListTransitRouterVpnAttachments",
    "ListTransitRouterEcrAttachments",
    "DescribeCenAttachedChildInstances",
];

fn lag(reads: &[&str], seconds: i64) -> BTreeMap<String, SignedDuration> {
    reads.iter().map(|read| ((*read).to_owned(), SignedDuration::from_secs(seconds))).collect()
}

fn one_at_a_time() -> Vec<Setting> {
    // Every field by its name: a switch that is added is missing here until it has its settings.
    let Switches {
        duplicate_grant: OkOrError::Error,
        revoke_absent: OkOrError::Error,
        revoke_attached: _,
        modify_unattached: OkOrError::Ok,
        modify_same: OkOrError::Ok,
        update_before_grant: OkOrError::Error,
        payer_cooldown: None,
        unattached_takes_effect: true,
        effective_shown_late: SignedDuration::ZERO,
        effective_order_type: Shown::Always,
        create_time: TimeForm::Text,
        ecr_to_cen: EcrRules::Rules,
        child_instances: ChildInstances::All,
        child_rows: ChildRows::Each,
        vpn_unattached_listed: false,
        vbr_enabled: true,
        attachment_delay: _,
        calls_per_second: None,
        read_lag: _,
    } = Switches::default()
    else {
        panic!("the settings below are not the other values any more")
    };
    let witnesses = [&READS[..1], &READS[1..3], &READS[3..4], &READS[4..]];
    let lags =
        witnesses.into_iter().zip(["rules of the CEN", "rules of the instance", "VPN attachments", "attachments"]);
    let mut all = vec![
        Setting::of("duplicate_grant = ok", |s| s.duplicate_grant = OkOrError::Ok),
        Setting::of("revoke_absent = ok", |s| s.revoke_absent = OkOrError::Ok),
        Setting::of("revoke_attached = OperationFailed.SimAttachmentExist", |s| {
            s.revoke_attached = "OperationFailed.SimAttachmentExist".into()
        }),
        Setting::of("payer_cooldown = IncorrectStatus.Payer", |s| {
            s.payer_cooldown = Some("IncorrectStatus.Payer".into())
        })
        .at(PAYING),
        Setting::of("payer_cooldown = OperationFailed.SimPayerCooldown", |s| {
            s.payer_cooldown = Some("OperationFailed.SimPayerCooldown".into())
        })
        .at(PAYING),
        Setting::of("payer_cooldown = InvalidOperation.PayerCooldown", |s| {
            s.payer_cooldown = Some("InvalidOperation.PayerCooldown".into())
        })
        .at(PAYING),
        Setting::of("unattached_takes_effect = false", |s| s.unattached_takes_effect = false).at(PAYING),
        Setting::of("effective_shown_late = 20m", |s| s.effective_shown_late = SignedDuration::from_mins(20))
            .at(PAYING),
        Setting::of("modify_unattached = error", |s| s.modify_unattached = OkOrError::Error),
        Setting::of("modify_same = error", |s| s.modify_same = OkOrError::Error),
        Setting::of("update_before_grant = ok", |s| s.update_before_grant = OkOrError::Ok),
        Setting::of("effective_order_type = attached", |s| s.effective_order_type = Shown::Attached).at(PAYING),
        Setting::of("effective_order_type = never", |s| s.effective_order_type = Shown::Never).at(PAYING),
        Setting::of("create_time = number", |s| s.create_time = TimeForm::Number),
        Setting::of("ecr_to_cen = empty", |s| s.ecr_to_cen = EcrRules::Empty),
        Setting::of("ecr_to_cen = error", |s| s.ecr_to_cen = EcrRules::Error),
        Setting::of("child_instances = basic", |s| s.child_instances = ChildInstances::Basic).at(CHILDREN),
        Setting::of("child_rows = once", |s| s.child_rows = ChildRows::Once).at(CHILDREN),
        Setting::of("vpn_unattached_listed = true", |s| s.vpn_unattached_listed = true),
        Setting::of("vbr_enabled = false", |s| s.vbr_enabled = false),
        Setting::of("attachment_delay = 0s", |s| s.attachment_delay = SignedDuration::ZERO),
        Setting::of("attachment_delay = 2m", |s| s.attachment_delay = SignedDuration::from_secs(120)),
        // One for all cells would be too few: alone, none is late for what the others ask.
        Setting::of("calls_per_second = 2", |s| s.calls_per_second = Some(2)).alone(),
    ];
    all.extend(lags.map(|(reads, name)| {
        Setting::of(format!("read_lag = 20s of the {name}"), |s| s.read_lag = lag(reads, 20)).at(MOVING)
    }));
    all.push(Setting::of("read_lag = 45s of every read", |s| s.read_lag = lag(&READS, 45)));
    all
}

/// The switches that answer what was done already, with every write sent twice so that they are asked: every two of them
/// in every combination of their values. Then everything at once.
fn together() -> Vec<Setting> {
    let mut all = Vec::new();
    for n in 0..8u32 {
        let reply = |even: bool| if even { OkOrError::Ok } else { OkOrError::Error };
        let [a, b, c] = [n & 1, n >> 1 & 1, n >> 2 & 1];
        // An orthogonal array: three columns, and the sums of the first with each of the others.
        let replies = [a, b, c, a ^ b, a ^ c].map(|bit| reply(bit == 0));
        let change = |s: &mut Switches| {
            [s.duplicate_grant, s.revoke_absent, s.modify_same, s.modify_unattached, s.update_before_grant] = replies;
        };
        let words = replies.map(|reply| if reply == OkOrError::Ok { "ok" } else { "error" });
        let names = ["duplicate_grant", "revoke_absent", "modify_same", "modify_unattached", "update_before_grant"];
        let name =
            names.iter().zip(words).map(|(name, word)| format!("{name} = {word}")).collect::<Vec<_>>().join(", ");
        all.push(Setting::of(name, change).twice().at(STILL));
    }
    for shown in [Shown::Attached, Shown::Never] {
        for ecr in [EcrRules::Empty, EcrRules::Error] {
            let name = format!("every switch changed, effective_order_type = {shown:?}, ecr_to_cen = {ecr:?}");
            all.push(Setting::of(name.to_lowercase(), |s| {
                *s = Switches {
                    duplicate_grant: OkOrError::Ok,
                    revoke_absent: OkOrError::Ok,
                    revoke_attached: "OperationFailed.SimAttachmentExist".into(),
                    modify_unattached: OkOrError::Error,
                    modify_same: OkOrError::Error,
                    update_before_grant: OkOrError::Ok,
                    payer_cooldown: None,
                    unattached_takes_effect: false,
                    effective_shown_late: SignedDuration::from_mins(20),
                    effective_order_type: shown,
                    create_time: TimeForm::Number,
                    ecr_to_cen: ecr,
                    child_instances: ChildInstances::Basic,
                    child_rows: ChildRows::Once,
                    vpn_unattached_listed: true,
                    vbr_enabled: false,
                    attachment_delay: SignedDuration::from_secs(40),
                    calls_per_second: Some(50),
                    read_lag: lag(&READS, 20),
                };
            }));
        }
    }
    all
}
