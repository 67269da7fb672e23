//! Who may ask for what. Pure. What no rule allows is refused.

use serde::Deserialize;

use crate::domain::{AccountUid, CenId, Job, Kind, OrderType, Requester};

/// One line of the allow-list. An absent list allows everything of its sort; an empty one nothing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// Requesters, as the broker verified them (`user_id`); `anonymous` for messages without one, `*` for anybody.
    pub requesters: Vec<String>,
    /// Kinds of job.
    #[serde(default)]
    pub kinds: Option<Vec<Kind>>,
    /// Accounts that own the instances.
    #[serde(default)]
    pub resource_accounts: Option<Vec<AccountUid>>,
    /// CENs.
    #[serde(default)]
    pub cens: Option<Vec<CenId>>,
    /// Payers that may be asked for.
    #[serde(default)]
    pub order_types: Option<Vec<OrderType>>,
}

/// The allow-list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    rules: Vec<Allow>,
}

impl Policy {
    /// A policy of these rules.
    pub fn new(rules: Vec<Allow>) -> Self {
        Self { rules }
    }

    /// Allows everything to everybody: for a worker that has no broker to verify anybody.
    pub fn everybody() -> Self {
        Self::new(vec![Allow {
            requesters: vec!["*".into()],
            kinds: None,
            resource_accounts: None,
            cens: None,
            order_types: None,
        }])
    }

    /// What the policy has against a job; `None` if a rule allows it.
    pub fn refuses(&self, requester: &Requester, job: &Job) -> Option<String> {
        if self.rules.iter().any(|rule| rule.allows(requester, job)) {
            return None;
        }
        Some(format!(
            "no rule of the policy allows {requester} to ask for a {} of {} of account {} in {}{}",
            job.kind,
            job.instance.id,
            job.instance.owner,
            job.cen.id,
            job.order_type.map(|order_type| format!(" with {order_type}")).unwrap_or_default()
        ))
    }
}

impl Allow {
    fn allows(&self, requester: &Requester, job: &Job) -> bool {
        fn among<T: PartialEq>(list: &Option<Vec<T>>, item: &T) -> bool {
            list.as_ref().is_none_or(|list| list.contains(item))
        }
        self.requesters.iter().any(|name| name == "*" || name == requester.as_str())
            && among(&self.kinds, &job.kind)
            && among(&self.resource_accounts, &job.instance.owner)
            && among(&self.cens, &job.cen.id)
            && job.order_type.is_none_or(|order_type| among(&self.order_types, &order_type))
    }
}
