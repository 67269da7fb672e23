//! What is checked of a job before it is begun, from configuration alone: who may ask for what, and whether the two
//! accounts can be connected at all. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::guards::HourlyLimits;
use crate::domain::{AccountUid, CenId, Job, Kind, OrderType, Reason, Requester, Site};

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

/// The allow-list, what is known of the accounts, and how much may be begun. What no rule allows is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    rules: Vec<Allow>,
    sites: BTreeMap<AccountUid, Site>,
    limits: HourlyLimits,
}

impl Policy {
    /// A policy of these rules, for these accounts and the sites they are on; without any, accounts are not looked at.
    /// It has no hourly limits.
    pub fn new(rules: Vec<Allow>, sites: BTreeMap<AccountUid, Site>) -> Self {
        Self { rules, sites, limits: HourlyLimits::NONE }
    }

    /// The same with these hourly limits.
    pub fn limited(self, limits: HourlyLimits) -> Self {
        Self { limits, ..self }
    }

    /// How much may be begun within an hour.
    pub fn limits(&self) -> &HourlyLimits {
        &self.limits
    }

    /// Whether there are credentials for an account, as far as accounts are looked at.
    pub fn knows(&self, account: &AccountUid) -> bool {
        self.sites.is_empty() || self.sites.contains_key(account)
    }

    /// Allows everything to everybody, as much as they want: for a worker that has no broker to verify anybody, and
    /// nobody else to approve anything.
    pub fn everybody() -> Self {
        let everything =
            Allow { requesters: vec!["*".into()], kinds: None, resource_accounts: None, cens: None, order_types: None };
        Self::new(vec![everything], BTreeMap::new())
    }

    /// What there is against a job; `None` if it may be begun.
    pub fn refuses(&self, requester: &Requester, job: &Job) -> Option<(Reason, String)> {
        if !self.rules.iter().any(|rule| rule.allows(requester, job)) {
            let payer = job.order_type.map(|order_type| format!(" with {order_type}")).unwrap_or_default();
            let (kind, id, owner, cen) = (job.kind, &job.instance.id, &job.instance.owner, &job.cen.id);
            let message = format!(
                "no rule of the policy allows {requester} to ask for a {kind} of {id} of account {owner} in {cen}{payer}"
            );
            return Some((Reason::RefusedByPolicy, message));
        }
        let accounts = [&job.instance.owner, &job.cen.owner];
        if let Some(unknown) = accounts.into_iter().find(|uid| !self.knows(uid)) {
            let message = format!("no credentials are configured for account {unknown}");
            return Some((Reason::PreflightFailed, message));
        }
        // Both accounts must be on the same site (API §F); no API tells which, so configuration does.
        let (ours, theirs) = (self.sites.get(&job.instance.owner)?, self.sites.get(&job.cen.owner)?);
        (ours != theirs).then(|| {
            let (resource, cen) = (&job.instance.owner, &job.cen.owner);
            let message = format!(
                "account {resource} is on the {ours} site and account {cen} on the {theirs} site; a grant works only \
                 within one site"
            );
            (Reason::PreflightFailed, message)
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contract::{Envelope, parse};

    const RESOURCE: &str = "1688000000000001";

    fn job() -> Job {
        let body = serde_json::json!({
            "id": "j", "kind": "payer-change", "order_type": "PayByResourceOwner",
            "instance": {"type": "VPC", "id": "vpc-bp1h8vbrbcgohcju50001", "region": "cn-hangzhou", "owner": RESOURCE},
            "cen": {"id": "cen-44m0p68spvlrqq0001", "owner": "1250123456123456"},
        });
        parse(body.to_string().as_bytes(), &Envelope::default()).unwrap()
    }

    fn reason(rules: &str, who: &str) -> Option<Reason> {
        #[derive(Deserialize)]
        struct File {
            #[serde(default)]
            allow: Vec<Allow>,
        }
        let file: File = toml::from_str(rules).unwrap();
        let requester = Requester::parse(who).unwrap();
        Policy::new(file.allow, BTreeMap::new()).refuses(&requester, &job()).map(|(reason, _)| reason)
    }

    #[test]
    fn what_no_rule_allows_is_refused() {
        let refused = Some(Reason::RefusedByPolicy);
        assert_eq!(reason("", "tickets"), refused);
        assert_eq!(reason("[[allow]]\nrequesters = ['tickets']", "tickets"), None);
        assert_eq!(reason("[[allow]]\nrequesters = ['tickets']", "anonymous"), refused);
        assert_eq!(reason("[[allow]]\nrequesters = ['*']", "anybody"), None);
        for (field, right, wrong) in [
            ("kinds", "['payer-change']", "['grant', 'revoke']"),
            ("resource_accounts", "['1688000000000001']", "['1688000000000002']"),
            ("cens", "['cen-44m0p68spvlrqq0001']", "[]"),
            ("order_types", "['PayByResourceOwner']", "['PayByCenOwner']"),
        ] {
            let rule = |list: &str| format!("[[allow]]\nrequesters = ['*']\n{field} = {list}");
            assert_eq!(reason(&rule(right), "x"), None, "{field}");
            assert_eq!(reason(&rule(wrong), "x"), refused, "{field}");
        }
    }

    #[test]
    fn accounts_of_two_sites_cannot_be_connected() {
        let uid = |text: &str| AccountUid::parse(text).unwrap();
        let sites = |cen: Site| BTreeMap::from([(uid(RESOURCE), Site::China), (uid("1250123456123456"), cen)]);
        let refuses = |cen: Site| {
            let everybody = Policy::everybody().rules;
            Policy::new(everybody, sites(cen)).refuses(&Requester::anonymous(), &job()).map(|(reason, _)| reason)
        };
        assert_eq!(refuses(Site::China), None);
        assert_eq!(refuses(Site::International), Some(Reason::PreflightFailed));
    }

    #[test]
    fn an_account_without_credentials_is_said_at_once() {
        let sites = BTreeMap::from([(AccountUid::parse(RESOURCE).unwrap(), Site::China)]);
        let refusal = Policy::new(Policy::everybody().rules, sites).refuses(&Requester::anonymous(), &job());
        let (reason, message) = refusal.unwrap();
        assert_eq!(reason, Reason::PreflightFailed);
        assert!(message.contains("1250123456123456"), "{message}");
    }
}
