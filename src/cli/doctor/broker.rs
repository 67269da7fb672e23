//! The broker: whether it is reached, and has what a worker needs. Nothing of it is changed.

use super::finding::{Finding, fault, fine, unclear};
use crate::broker::{Found, inspect};
use crate::cli::serve;
use crate::config::Config;
use crate::domain::Code;

const CHECK: &str = "broker";

/// Looks at the exchanges and queues.
pub(super) async fn broker(config: &Config) -> Vec<Finding> {
    let found = match inspect(&serve::broker(config)).await {
        Ok(found) => found,
        Err(error) => {
            return vec![fault(CHECK, error.code(), error, "see that it runs, and compare `[broker] url` with it")];
        }
    };
    let declares = config.broker.declare;
    let mut findings: Vec<Finding> =
        found.iter().filter_map(|(what, name, how)| judged(&format!("{what} {name}"), how, declares)).collect();
    if findings.is_empty() {
        let names: Vec<&str> = found.iter().map(|(_, name, _)| name.as_str()).collect();
        findings.push(fine(CHECK, format!("is reached, and has {} as the worker declares them", names.join(", "))));
    }
    findings.push(match declares {
        true => fine("bindings", "are made by the worker each time it connects"),
        false => {
            let advice = "compare `rabbitmqctl list_bindings` with deploy/rabbitmq/definitions.json";
            unclear("bindings", Code::BindingUnknown, "cannot be seen over AMQP, and no worker makes them", advice)
        }
    });
    findings
}

/// What there is to say about one of them, if there is anything.
fn judged(which: &str, how: &Found, declares: bool) -> Option<Finding> {
    let code = Code::BrokerTopology;
    Some(match how {
        Found::AsWanted => return None,
        // Before the first start of a worker that declares, nothing is there, and that is as it should be.
        Found::Missing if declares => {
            unclear(CHECK, code, format!("{which} does not exist yet"), "start the worker: it makes it")
        }
        Found::Missing => {
            fault(CHECK, code, format!("{which} does not exist"), "import deploy/rabbitmq/definitions.json")
        }
        Found::Differs(why) if declares => {
            let advice = "empty it, delete it and let the worker declare it again, or use it as it is with \
                          `[broker] declare = false`";
            fault(CHECK, code, format!("{which} differs from what the worker declares: {why}"), advice)
        }
        Found::Differs(why) => {
            let advice = "see that this is meant; `[broker] declare = false` uses it as it is";
            unclear(CHECK, code, format!("{which} differs from what a worker would declare: {why}"), advice)
        }
        Found::Unseen => {
            let says = format!("{which} exists; this user may not ask how it is");
            unclear(CHECK, code, says, "give it the permission to configure it, or compare it by `rabbitmqctl`")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_differs_is_in_the_way_of_whoever_depends_on_it() {
        let differs = || Found::Differs("inequivalent arg 'x-delivery-limit'".into());
        for (how, declares, ok) in [
            (Found::Missing, true, None),
            (Found::Missing, false, Some(false)),
            (differs(), true, Some(false)),
            (differs(), false, None),
            (Found::Unseen, true, None),
        ] {
            let finding = judged("queue q", &how, declares).unwrap();
            assert!(finding.ok == ok && finding.advice.is_some(), "{how:?}, {declares}: {finding:?}");
        }
        assert_eq!(judged("queue q", &Found::AsWanted, true), None);
        assert!(judged("queue q", &differs(), true).unwrap().says.contains("x-delivery-limit"));
    }
}
