//! Webhooks: whether each host that a rule names has an address that may be called. None is called.

use std::time::Duration;

use tokio::time::timeout;

use super::finding::{DoctorFinding, fine, unclear};
use crate::config::Config;
use crate::domain::Code;
use crate::domain::webhook::HostPattern;
use crate::webhook::{Lookup, callable};

const CHECK: &str = "webhooks";
/// How long one name may take.
const LOOKUP: Duration = Duration::from_secs(5);
/// How many names are looked up: rules can name very many.
const MOST: usize = 50;

pub(super) async fn webhooks(config: &Config, lookup: &Lookup) -> Vec<DoctorFinding> {
    let mut hosts: Vec<&HostPattern> = config.allow.iter().flat_map(|rule| &rule.webhook_hosts).collect();
    hosts.dedup();
    let Some(settings) = &config.webhook else {
        let off = unclear(
            CHECK,
            Code::ConfigContradiction,
            "an [[allow]] rule has `webhook_hosts` and there is no [webhook], so webhooks are off",
            "add [webhook] with a secret, or take `webhook_hosts` out",
        );
        return if hosts.is_empty() { vec![] } else { vec![off] };
    };
    if hosts.is_empty() {
        return vec![unclear(
            CHECK,
            Code::ConfigContradiction,
            "there is a [webhook] and no [[allow]] rule has `webhook_hosts`, so no webhook is called",
            "name the hosts in the rule of those whose answers go there",
        )];
    }
    let mut findings = Vec::new();
    for host in hosts.iter().filter_map(|pattern| pattern.only()).take(MOST) {
        let found = timeout(LOOKUP, callable(settings, lookup, host.host())).await;
        let found = found.unwrap_or_else(|_| Err(format!("{} was not found within {LOOKUP:?}", host.host())));
        if let Err(why) = found {
            let advice = "correct the name in `webhook_hosts`, or allow its network in `[webhook] networks`";
            findings.push(unclear(CHECK, Code::WebhookHost, why, advice));
        }
    }
    if findings.is_empty() {
        let named: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let own = match settings.receivers.len() {
            0 => String::new(),
            own => format!("; with secrets of their own: {own}"),
        };
        findings.push(fine(CHECK, format!("hosts that may be called: {}{own}", named.join(", "))));
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::IpAddr;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use super::*;

    async fn says(text: &str) -> Vec<(Option<bool>, Option<Code>, String)> {
        let lookup: Lookup = Arc::new(|name: String| {
            Box::pin(async move {
                let address = |text: &str| Ok(vec![text.parse::<IpAddr>().unwrap()]);
                match name.as_str() {
                    "good.example.com" => address("93.184.215.14"),
                    "inside.example.com" => address("10.1.2.3"),
                    _ => Err(io::Error::other("no such host")),
                }
            })
        });
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("crossgrant.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        let config = Config::load(Some(&path), std::iter::empty()).unwrap();
        let findings = webhooks(&config, &lookup).await;
        findings.into_iter().map(|finding| (finding.ok, finding.code, finding.says)).collect()
    }

    #[tokio::test]
    async fn each_host_that_a_rule_names_is_looked_up_and_none_is_called() {
        let rule = |hosts: &str| format!("[[allow]]\nrequesters = ['*']\nwebhook_hosts = [{hosts}]\n");
        let secret = format!("secret = 'whsec_{}'", "A".repeat(32));
        let on = |lines: &str, hosts: &str| format!("[webhook]\n{secret}\n{lines}\n{}", rule(hosts));
        assert_eq!(says("").await, []);
        let off = says(&rule("'good.example.com'")).await;
        assert!(off.len() == 1 && off[0].0.is_none() && off[0].2.contains("there is no [webhook]"), "{off:?}");
        let unused = says(&format!("[webhook]\n{secret}\n")).await;
        assert!(unused.len() == 1 && unused[0].2.contains("no [[allow]] rule has `webhook_hosts`"), "{unused:?}");

        let good = says(&on("", "'good.example.com', '*.below.example.com'")).await;
        assert_eq!(good[0].0, Some(true), "{good:?}");
        assert!(good[0].2.ends_with("good.example.com, *.below.example.com"), "{good:?}");
        let bad = says(&on("", "'good.example.com', 'gone.example.com', 'inside.example.com', '127.0.0.1'")).await;
        let expected =
            ["gone.example.com cannot be looked up: no such host", "10.1.2.3 (private)", "127.0.0.1 (loopback)"];
        assert_eq!(bad.len(), expected.len(), "{bad:?}");
        for ((ok, code, text), says) in bad.iter().zip(expected) {
            assert!(ok.is_none() && *code == Some(Code::WebhookHost) && text.contains(says), "{text}");
        }
        let allowed = says(&on("networks = ['10.0.0.0/8']", "'inside.example.com'")).await;
        assert_eq!(allowed[0].0, Some(true), "{allowed:?}");
    }
}
