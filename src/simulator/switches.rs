//! Switches: how the simulated cloud behaves where the vendor's documents are silent or contradict each other (API §H, §I). A
//! client must work under every setting.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::{ErrorAnswer, Success};

/// How a doubtful request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OkOrError {
    /// With a 200.
    Ok,
    /// With the error that the switch names.
    Error,
}

impl OkOrError {
    pub(super) fn answer(self, error: ErrorAnswer) -> Result<Success, ErrorAnswer> {
        if self == Self::Ok { Ok(Success::bare()) } else { Err(error) }
    }
}

/// The grant rules that show `EffectiveOrderType` (API §B, gap G4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shown {
    /// All of them.
    Always,
    /// Those of attached instances.
    Attached,
    /// None, as on older back ends.
    Never,
}

/// How `CreateTime` of `DescribeGrantRulesToCen` is written (API §H7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeForm {
    /// `2024-01-24T16:46Z`.
    Text,
    /// Milliseconds since 1970.
    Number,
}

/// How `DescribeGrantRulesToCen` answers `ProductType=ECR` (API §H2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EcrRules {
    /// With the grant rules.
    Rules,
    /// With an empty list.
    Empty,
    /// With `InvalidParameter`.
    Error,
}

/// The editions whose attachments `DescribeCenAttachedChildInstances` shows (API §A.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChildInstances {
    /// Both editions.
    All,
    /// The Basic Edition alone.
    Basic,
}

/// How often `DescribeCenAttachedChildInstances` shows an instance that is attached several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChildRows {
    /// Once for each attachment.
    Each,
    /// Once, however many attachments it has.
    Once,
}

/// All switches. A world file or a patch names those that differ from the default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// A grant that exists already: nothing happens, or `OperationFailed.SimGrantExist` (of a CCN `DuplicatedGrantRule`).
    pub duplicate_grant: OkOrError,
    /// A revoke of a grant that does not exist: nothing happens, or `OperationFailed.GrantCrossAccountNotExist` (of a CCN
    /// `InvalidInstanceId.NotFound`).
    pub revoke_absent: OkOrError,
    /// The code that refuses to revoke the grant of an attached instance; the vendor does not say which it is.
    pub revoke_attached: String,
    /// `ModifyGrantInstanceToTransitRouter` of an unattached instance: it works, or `OperationFailed.SimNotAttached`.
    pub modify_unattached: OkOrError,
    /// `ModifyGrantInstanceToTransitRouter` to the present payer: nothing happens, or `OperationFailed.SimSameOrderType`.
    pub modify_same: OkOrError,
    /// Writing a payer on an attachment that the grant does not have: it works, or `OperationFailed.SimGrantNotFirst`.
    pub update_before_grant: OkOrError,
    /// The code that refuses a payer change within one hour of attaching or of the latest change. `None` refuses no change
    /// (API §K).
    pub payer_cooldown: Option<String>,
    /// Whether the order type of a grant without attachments takes effect at the hour, or never.
    pub unattached_takes_effect: bool,
    /// How long after the hour grant rules still show the previous `EffectiveOrderType`.
    pub effective_shown_late: SignedDuration,
    /// The grant rules that show `EffectiveOrderType`.
    pub effective_order_type: Shown,
    /// How `DescribeGrantRulesToCen` writes `CreateTime`.
    pub create_time: TimeForm,
    /// How `DescribeGrantRulesToCen` answers when it is asked for ECRs.
    pub ecr_to_cen: EcrRules,
    /// The editions that `DescribeCenAttachedChildInstances` shows.
    pub child_instances: ChildInstances,
    /// How often `DescribeCenAttachedChildInstances` shows an instance that is attached several times.
    pub child_rows: ChildRows,
    /// Whether `DescribeVpnAttachments` also lists connections that are attached to nothing (API §A.14).
    pub vpn_unattached_listed: bool,
    /// Whether the vendor has enabled cross-account VBR. If not, its grant is refused with `InvalidVbr.NotFound`.
    pub vbr_enabled: bool,
    /// The attachment delay: how long an attachment is busy with each change.
    pub attachment_delay: SignedDuration,
    /// The calls of one operation that one account may make in a second; others get `Throttling.User`. `None` is no limit.
    pub calls_per_second: Option<u32>,
    /// By operation, how far its reads lag behind the writes; at most ten minutes.
    pub read_lag: BTreeMap<String, SignedDuration>,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            duplicate_grant: OkOrError::Error,
            revoke_absent: OkOrError::Error,
            revoke_attached: "IncorrectStatus.Cen".into(),
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
            attachment_delay: SignedDuration::from_secs(5),
            calls_per_second: None,
            read_lag: BTreeMap::new(),
        }
    }
}

impl Switches {
    /// A copy of these switches, changed where `patch`, a JSON object, says so.
    ///
    /// # Errors
    /// Names the switch that is unknown or whose value is wrong.
    pub fn patched(&self, patch: Value) -> Result<Self, String> {
        let Value::Object(patch) = patch else { return Err("expected a JSON object of switches".into()) };
        let mut all = serde_json::to_value(self).map_err(|e| e.to_string())?;
        if let Value::Object(all) = &mut all {
            all.extend(patch);
        }
        serde_json::from_value(all).map_err(|e| e.to_string())
    }

    pub(super) fn delay(&self) -> Duration {
        Duration::try_from(self.attachment_delay).unwrap_or(Duration::ZERO)
    }

    pub(super) fn shown_late(&self) -> Duration {
        Duration::try_from(self.effective_shown_late).unwrap_or(Duration::ZERO)
    }

    pub(super) fn lag(&self, operation: &str) -> Option<Duration> {
        self.read_lag.get(operation).and_then(|lag| Duration::try_from(*lag).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_patch_changes_what_it_names_and_refuses_what_it_does_not_know() {
        let patch = json!({"duplicate_grant": "ok", "attachment_delay": "250ms", "read_lag": {"X": "3s"}});
        let switches = Switches::default().patched(patch).unwrap();
        assert_eq!((switches.duplicate_grant, switches.revoke_absent), (OkOrError::Ok, OkOrError::Error));
        assert_eq!(switches.delay(), Duration::from_millis(250));
        assert_eq!((switches.lag("X"), switches.lag("Y")), (Some(Duration::from_secs(3)), None));
        assert!(
            Switches::default().patched(json!({"duplicate_grants": "ok"})).unwrap_err().contains("duplicate_grants")
        );
    }
}
