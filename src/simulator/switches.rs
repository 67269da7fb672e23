//! How the simulated cloud behaves where the vendor's documents are silent or differ (API §H, §I). A client must pass
//! under every setting.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a doubtful request gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reply {
    /// A 200.
    Ok,
    /// An error.
    Error,
}

/// On which rules `EffectiveOrderType` is present (API §B, gap G4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shown {
    /// On every rule.
    Always,
    /// Only on rules of attached instances.
    Attached,
    /// On none, as older back ends.
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

/// What `DescribeGrantRulesToCen` says to `ProductType=ECR` (API §H2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EcrRules {
    /// The rules.
    Rules,
    /// An empty list.
    Empty,
    /// `InvalidParameter`.
    Error,
}

/// Whose attachments `DescribeCenAttachedChildInstances` shows (API §A.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChildInstances {
    /// Those of both editions.
    All,
    /// Those of the Basic Edition.
    Basic,
}

/// How often `DescribeCenAttachedChildInstances` shows an instance that is attached several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChildRows {
    /// Once for each attachment.
    Each,
    /// Once.
    Once,
}

/// All settings; each has a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// A grant that is there already: nothing happens, or `OperationFailed.SimGrantExist`.
    pub duplicate_grant: Reply,
    /// A revoke of what is absent: nothing happens, or `OperationFailed.GrantCrossAccountNotExist`.
    pub revoke_absent: Reply,
    /// The code that refuses a revoke of what is attached; which one the vendor does not say.
    pub revoke_attached: String,
    /// `ModifyGrantInstanceToTransitRouter` of an unattached instance: done, or `OperationFailed.SimNotAttached`.
    pub modify_unattached: Reply,
    /// `ModifyGrantInstanceToTransitRouter` to the value it has: nothing happens, or `OperationFailed.SimSameOrderType`.
    pub modify_same: Reply,
    /// An attachment's payer set to what the grant does not say: done, or `OperationFailed.SimGrantNotFirst`.
    pub update_before_grant: Reply,
    /// The code that refuses a payer change within one hour of attaching or of the last change; absent: none is refused
    /// (API §K).
    pub payer_cooldown: Option<String>,
    /// Whether the order type of a grant without attachments takes effect at the hour; else it never does.
    pub unattached_takes_effect: bool,
    /// How long after the hour the rules still show the `EffectiveOrderType` of before.
    pub effective_shown_late: SignedDuration,
    /// Where `EffectiveOrderType` is shown.
    pub effective_order_type: Shown,
    /// How `CreateTime` is written.
    pub create_time: TimeForm,
    /// What is said about ECR on the transit router's side.
    pub ecr_to_cen: EcrRules,
    /// Whose attachments the list of child instances shows.
    pub child_instances: ChildInstances,
    /// How often the list of child instances shows an instance that is attached several times.
    pub child_rows: ChildRows,
    /// Whether `DescribeVpnAttachments` also lists connections that are attached to nothing.
    pub vpn_unattached_listed: bool,
    /// Whether the vendor has enabled cross-account VBR; else a grant gets `InvalidVbr.NotFound`.
    pub vbr_enabled: bool,
    /// How long an attachment is busy with each change.
    pub attachment_delay: SignedDuration,
    /// How many calls a second each operation takes from each account; more get `Throttling.User`. Without it, any.
    pub calls_per_second: Option<u32>,
    /// How far a read lags behind the writes, by operation, at most ten minutes.
    pub read_lag: BTreeMap<String, SignedDuration>,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            duplicate_grant: Reply::Error,
            revoke_absent: Reply::Error,
            revoke_attached: "IncorrectStatus.Cen".into(),
            modify_unattached: Reply::Ok,
            modify_same: Reply::Ok,
            update_before_grant: Reply::Error,
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
    /// These settings with those that `patch`, a JSON object, names.
    ///
    /// # Errors
    /// Names an unknown setting or a value that is none.
    pub fn patched(&self, patch: Value) -> Result<Self, String> {
        let Value::Object(patch) = patch else { return Err("settings are a JSON object".into()) };
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
        assert_eq!((switches.duplicate_grant, switches.revoke_absent), (Reply::Ok, Reply::Error));
        assert_eq!(switches.delay(), Duration::from_millis(250));
        assert_eq!((switches.lag("X"), switches.lag("Y")), (Some(Duration::from_secs(3)), None));
        assert!(
            Switches::default().patched(json!({"duplicate_grants": "ok"})).unwrap_err().contains("duplicate_grants")
        );
    }
}
