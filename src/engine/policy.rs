//! What configuration alone says of a job: whether its requester may ask for it, and whether its two accounts can be
//! connected at all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;

use crate::domain::webhook::{self, Destination, HostPattern};
use crate::domain::{AccountUid, CenId, Job, Kind, OrderType, Reason, Requester, Site};
use crate::engine::guards::HourlyLimits;

/// One allow-rule. A list that is absent allows every value, an empty one none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// AMQP `user_id`s, which the broker verifies; `*` for every one of them; `anonymous` for messages without one, which `*`
    /// does not stand for.
    pub requesters: Vec<String>,
    /// Kinds of job that may be asked for.
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
    /// Queues that answers may be sent to, by AMQP `reply_to`; `*` stands for any text.
    #[serde(default)]
    pub reply_to: Option<Vec<String>>,
    /// Hosts whose webhooks answers may be sent to. None if the list is absent.
    #[serde(default)]
    pub webhook_hosts: Vec<HostPattern>,
}

/// How many allowed hosts are named to a requester.
const NAMED: usize = 10;

/// The allow-rules, the sites of the accounts and the limits. What no rule allows is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    rules: Vec<Allow>,
    sites: BTreeMap<AccountUid, Site>,
    limits: HourlyLimits,
    unbegun: Option<u32>,
    two_persons: bool,
    /// For how long a webhook is tried; `None` if none is called.
    webhooks: Option<Duration>,
}

impl Policy {
    /// A policy of these allow-rules and the sites of the configured accounts, without hourly limits. Without any account,
    /// accounts are not checked.
    pub fn new(rules: Vec<Allow>, sites: BTreeMap<AccountUid, Site>) -> Self {
        Self { rules, sites, limits: HourlyLimits::NONE, unbegun: None, two_persons: false, webhooks: None }
    }

    /// The same with these hourly limits.
    pub fn limited(self, limits: HourlyLimits) -> Self {
        Self { limits, ..self }
    }

    /// The same with at most this many jobs of a requester on an instance that have not begun to write.
    pub fn with_unbegun(self, most: Option<u32>) -> Self {
        Self { unbegun: most, ..self }
    }

    /// The same where another person than the requester has to approve a job, if `needed`.
    pub fn with_two_persons(self, needed: bool) -> Self {
        Self { two_persons: needed, ..self }
    }

    /// The same where webhooks are called, each for about this long.
    pub fn with_webhooks(self, give_up: Option<Duration>) -> Self {
        Self { webhooks: give_up, ..self }
    }

    /// For about how long a webhook is tried; `None` if none is called.
    pub fn webhooks(&self) -> Option<Duration> {
        self.webhooks
    }

    /// Whether another person than the requester has to approve a job.
    pub fn needs_two_persons(&self) -> bool {
        self.two_persons
    }

    /// How many jobs of a requester on an instance may be there that have not begun to write.
    pub fn unbegun(&self) -> Option<u32> {
        self.unbegun
    }

    /// How many jobs may begin within an hour.
    pub fn limits(&self) -> &HourlyLimits {
        &self.limits
    }

    /// The site of a configured account.
    pub fn site(&self, account: &AccountUid) -> Option<Site> {
        self.sites.get(account).copied()
    }

    /// Whether credentials are configured for an account, or accounts are not checked.
    pub fn knows(&self, account: &AccountUid) -> bool {
        self.sites.is_empty() || self.sites.contains_key(account)
    }

    /// Allows everything to every requester, without limits: for `run`, which has no broker to verify a requester and no
    /// second person to approve a job.
    pub fn everybody() -> Self {
        let everything = Allow {
            requesters: vec!["*".into(), Requester::ANONYMOUS.into()],
            kinds: None,
            resource_accounts: None,
            cens: None,
            order_types: None,
            reply_to: None,
            webhook_hosts: vec![],
        };
        Self::new(vec![everything], BTreeMap::new())
    }

    /// Why the requester may not ask for this job; `None` if an allow-rule permits it.
    pub fn refuses(&self, requester: &Requester, job: &Job) -> Option<(Reason, String)> {
        if self.rules.iter().any(|rule| rule.admits(requester) && rule.allows(job)) {
            return None;
        }
        Some((Reason::RefusedByPolicy, refusal(requester.as_str(), job)))
    }

    /// Why the answers of a requester may not be sent to where `reply_to` says: a queue, or a webhook; `None` if they may. Of what
    /// is no good URL the contract says so.
    pub fn refuses_answers(&self, requester: &Requester, reply_to: &str) -> Option<String> {
        if webhook::is_url(reply_to) {
            let destination = Destination::of(reply_to).ok()?;
            return self.refuses_calls(requester, &destination);
        }
        let refused = !self.answers(requester, reply_to);
        refused.then(|| format!("no rule of the policy allows {requester} to have its answers sent to {reply_to:?}"))
    }

    /// A host is called only if a rule of the requester names it.
    fn refuses_calls(&self, requester: &Requester, destination: &Destination) -> Option<String> {
        if self.webhooks.is_none() {
            return Some("webhooks are off here, the worker's configuration has no [webhook]; name a queue".into());
        }
        let rules = self.rules.iter().filter(|rule| rule.admits(requester));
        let allowed: Vec<&HostPattern> = rules.flat_map(|rule| &rule.webhook_hosts).collect();
        if allowed.iter().any(|pattern| pattern.allows(destination)) {
            return None;
        }
        let named = match &allowed[..] {
            [] => "none is allowed".to_owned(),
            some => {
                let named: Vec<String> = some.iter().take(NAMED).map(ToString::to_string).collect();
                format!("allowed are {}", named.join(", "))
            }
        };
        Some(format!(
            "no rule of the policy allows {requester} to have its answers sent to the host {destination}; {named}"
        ))
    }

    /// The worker may write to every queue, and its requesters may not; so once a rule says `reply_to`, a requester that no rule
    /// names gets no answers.
    fn answers(&self, requester: &Requester, queue: &str) -> bool {
        let allows = |rule: &Allow| match &rule.reply_to {
            None => true,
            Some(patterns) => patterns.iter().any(|pattern| matches(pattern, queue)),
        };
        self.rules.iter().all(|rule| rule.reply_to.is_none())
            || self.rules.iter().any(|rule| rule.admits(requester) && allows(rule))
    }

    /// Who may ask for a job: the names in the allow-rules that permit it, with `*` for every one that the broker verifies.
    ///
    /// # Errors
    /// The message to show if no rule permits it.
    pub fn admits(&self, job: &Job) -> Result<BTreeSet<&str>, String> {
        let rules = self.rules.iter().filter(|rule| rule.allows(job));
        let names: BTreeSet<&str> = rules.flat_map(|rule| &rule.requesters).map(String::as_str).collect();
        if names.is_empty() { Err(refusal("anybody", job)) } else { Ok(names) }
    }

    /// What is in the way of a job, as far as configuration tells. Empty if accounts are not checked.
    pub fn objections(&self, job: &Job) -> Vec<String> {
        self.objections_but(job, |_| false)
    }

    /// The same, but nothing about the accounts that the job is `held` for, since they were configured when it was accepted.
    pub fn objections_but(&self, job: &Job, held: impl Fn(&AccountUid) -> bool) -> Vec<String> {
        let accounts = BTreeSet::from([&job.instance.owner, &job.cen.owner]);
        let unknown = accounts.iter().filter(|uid| !self.knows(uid) && !held(uid));
        let mut objections: Vec<String> =
            unknown.map(|uid| format!("no credentials are configured for account {uid}")).collect();
        // Both accounts must be on the same site (API §F); no API tells which, so configuration does.
        if let (Some(ours), Some(theirs)) = (self.sites.get(&job.instance.owner), self.sites.get(&job.cen.owner))
            && ours != theirs
        {
            let (resource, cen) = (&job.instance.owner, &job.cen.owner);
            objections.push(format!(
                "account {resource} is on the {ours} site and account {cen} on the {theirs} site; a grant works only \
                 within one site"
            ));
        }
        objections
    }
}

fn refusal(who: &str, job: &Job) -> String {
    let payer = job.order_type.map(|order_type| format!(" with {order_type}")).unwrap_or_default();
    let (kind, id, owner, cen) = (job.kind, &job.instance.id, &job.instance.owner, &job.cen.id);
    format!("no rule of the policy allows {who} to ask for a {kind} of {id} of account {owner} in {cen}{payer}")
}

/// Whether a text is as the pattern says, in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

impl Allow {
    fn admits(&self, requester: &Requester) -> bool {
        let verified = requester.as_str() != Requester::ANONYMOUS;
        self.requesters.iter().any(|name| name == requester.as_str() || (verified && name == "*"))
    }

    /// Whether the rule allows the job, for the requesters it names.
    fn allows(&self, job: &Job) -> bool {
        fn among<T: PartialEq>(list: &Option<Vec<T>>, item: &T) -> bool {
            list.as_ref().is_none_or(|list| list.contains(item))
        }
        among(&self.kinds, &job.kind)
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
        assert_eq!(reason("[[allow]]\nrequesters = ['*']", "anonymous"), refused, "the broker has not verified it");
        assert_eq!(reason("[[allow]]\nrequesters = ['*', 'anonymous']", "anonymous"), None);
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
    fn answers_go_where_a_rule_of_the_requester_says() {
        let answers = |lists: &[(&str, Option<&str>)], who: &str, queue: &str| {
            let rule = |(who, list): &(&str, Option<&str>)| {
                let list = list.map(|list| format!("reply_to = {list}")).unwrap_or_default();
                toml::from_str::<Allow>(&format!("requesters = ['{who}']\n{list}")).unwrap()
            };
            let policy = Policy::new(lists.iter().map(rule).collect(), BTreeMap::new());
            policy.answers(&Requester::parse(who).unwrap(), queue)
        };
        let open = [("tickets", None)];
        assert!(answers(&open, "tickets", "q") && answers(&open, "other", "q") && answers(&[], "other", "q"));
        let some = [("tickets", Some("['tickets.*', 'one']")), ("bot", None), ("silent", Some("[]"))];
        assert!(
            answers(&some, "tickets", "tickets.a") && answers(&some, "tickets", "one") && answers(&some, "bot", "q")
        );
        for (who, queue) in [("tickets", "payments.in"), ("tickets", "ones"), ("silent", "one"), ("stranger", "one")] {
            assert!(!answers(&some, who, queue), "{who} {queue}");
        }
    }

    #[test]
    fn webhooks_are_called_where_they_are_on_and_a_rule_of_the_requester_names_the_host() {
        let rule = |who: &str, list: &str| toml::from_str::<Allow>(&format!("requesters = ['{who}']\n{list}")).unwrap();
        let rules = vec![
            rule("tickets", "reply_to = ['*']\nwebhook_hosts = ['hooks.example.com', '*.example.org:8443']"),
            rule("*", ""),
            rule("bot", "reply_to = ['https://*']"),
        ];
        let refuses = |on: bool, who: &str, url: &str| {
            let policy =
                Policy::new(rules.clone(), BTreeMap::new()).with_webhooks(on.then_some(Duration::from_secs(3600)));
            policy.refuses_answers(&Requester::parse(who).unwrap(), url)
        };
        for url in ["https://hooks.example.com/a?b", "https://HOOKS.example.com", "https://a.example.org:8443/x"] {
            assert_eq!(refuses(true, "tickets", url), None, "{url}");
            let off = refuses(false, "tickets", url).unwrap();
            assert!(off.contains("no [webhook]"), "{off}");
            let other = refuses(true, "other", url).unwrap();
            assert!(other.ends_with("none is allowed"), "{other}");
        }
        let other = refuses(true, "tickets", "https://example.org:8443/secret-path").unwrap();
        let says = "to the host example.org:8443; allowed are hooks.example.com, *.example.org:8443";
        assert!(other.ends_with(says), "{other}");
        assert!(refuses(true, "bot", "https://hooks.example.com/").is_some(), "a pattern of queues allows no host");
        assert_eq!(refuses(true, "tickets", "any.queue"), None);
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, fits) in [
            ("q", "q", true),
            ("q", "qq", false),
            ("*", "", true),
            ("*", "any", true),
            ("a.*", "a.", true),
            ("a.*", "b.a.", false),
            ("*.in", "payments.in", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("ab*ba", "aba", false),
            ("", "", true),
            ("", "q", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn who_may_ask_is_told_from_who_may_not() {
        let rule = |who: &str, kind: &str| {
            toml::from_str::<Allow>(&format!("requesters = ['{who}']\nkinds = ['{kind}']")).unwrap()
        };
        let policy = |rules: Vec<Allow>| Policy::new(rules, BTreeMap::new());
        let some = policy(vec![rule("tickets", "payer-change"), rule("bot", "payer-change"), rule("other", "grant")]);
        assert_eq!(some.admits(&job()), Ok(BTreeSet::from(["bot", "tickets"])));
        let said = policy(vec![rule("other", "grant")]).admits(&job()).unwrap_err();
        assert!(said.contains("allows anybody to ask for a payer-change of vpc-"), "{said}");
    }

    #[test]
    fn everything_in_the_way_of_two_accounts_is_said_together() {
        let uid = |text: &str| AccountUid::parse(text).unwrap();
        let objections = |sites: &[(&str, Site)]| {
            let sites = sites.iter().map(|(account, site)| (uid(account), *site)).collect();
            Policy::new(Policy::everybody().rules, sites).objections(&job())
        };
        let (ours, theirs) = ((RESOURCE, Site::China), ("1250123456123456", Site::China));
        assert_eq!(objections(&[ours, theirs]), Vec::<String>::new());
        assert_eq!(objections(&[]), Vec::<String>::new(), "nothing is known of any account");
        let other = objections(&[ours, ("1250123456123456", Site::International)]);
        assert!(other.len() == 1 && other[0].contains("within one site"), "{other:?}");
        let one = objections(&[ours]);
        assert!(one.len() == 1 && one[0].contains("account 1250123456123456"), "{one:?}");
        assert_eq!(objections(&[("1999999999999999", Site::China)]).len(), 2);
    }
}
