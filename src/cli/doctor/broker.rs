//! The broker: whether it can be reached, and has the exchanges and queues that a worker needs. Nothing is changed.

use super::finding::{DoctorFinding, fault, fine, unclear};
use crate::broker::{BrokerError, BrokerKind, Inspected, Senders, count_dead_lettered, inspect, missing_rights};
use crate::cli::broker::settings;
use crate::config::Config;
use crate::domain::{Code, Requester};
use crate::engine::ports::mail::Lane;

const CHECK: &str = "broker";

pub(super) async fn broker(config: &Config) -> Vec<DoctorFinding> {
    let settings = settings(config);
    let inspected = match inspect(&settings).await {
        Ok(inspected) => inspected,
        Err(error) => {
            let advice = match error.code() {
                Code::BrokerLogin => "compare user and password in `[broker] url` with the users of the broker",
                Code::BrokerVhost => "compare the vhost in `[broker] url`, percent-encoded, with those of the broker",
                Code::BrokerLimit => "close connections that are not used, or raise `max-connections` of the vhost",
                _ => "check that it runs, and that `[broker] url` is right",
            };
            return vec![fault(CHECK, error.code(), error, advice)];
        }
    };
    let declares = config.broker.declare;
    let stranger = sees_nothing(&inspected);
    let nothing_yet = declares && inspected.iter().all(|(_, _, how)| *how == Inspected::Missing);
    let mut findings: Vec<DoctorFinding> = match nothing_yet {
        true => {
            let says = format!("has none of the exchanges and queues of {:?} yet", settings.topology.prefix());
            vec![unclear(CHECK, Code::BrokerTopology, says, "start the worker, which declares them")]
        }
        false => {
            let judged = |(what, name, how): &(&str, String, _)| {
                judged(&format!("{what} {name}"), how, declares && !(stranger && *how == Inspected::Unseen))
            };
            inspected.iter().filter_map(judged).collect()
        }
    };
    if findings.is_empty() {
        let names: Vec<&str> = inspected.iter().map(|(_, name, _)| name.as_str()).collect();
        findings.push(fine(CHECK, format!("can be reached, and has {} as the worker declares them", names.join(", "))));
    }
    let kept_by = inspected
        .iter()
        .any(|(_, name, how)| *name == settings.topology.dead_lettered_queue() && !matches!(how, Inspected::Missing));
    if kept_by {
        findings.extend(dead_lettered(count_dead_lettered(&settings).await));
    }
    match missing_rights(&settings).await {
        Ok(missing) if missing.is_empty() => {
            findings.push(fine("rights", said_of_rights(settings.topology.kind())));
        }
        // The user of an operator, who may look and no more.
        Ok(missing) if stranger && missing.len() >= Lane::ALL.len() => findings.push(unclear(
            "rights",
            Code::BrokerNoRight,
            "nothing can be told of the worker's rights, because this user of the broker has none",
            "run doctor as the worker's user; if this is that user, give it the rights in docs/security.md",
        )),
        Ok(missing) => findings.extend(missing.iter().map(|missing| {
            fault("rights", missing.code(), missing, "give the user the right; adapt the patterns if it has others")
        })),
        Err(error) => findings.push(fault("rights", error.code(), error, "check that the broker runs")),
    }
    findings.extend(senders(&settings.senders));
    findings.push(match declares {
        true => fine("bindings", "the worker makes them each time it connects"),
        false => {
            let advice = "compare `rabbitmqctl list_bindings` with deploy/rabbitmq/definitions.json";
            unclear(
                "bindings",
                Code::BindingUnknown,
                "they cannot be checked over AMQP, and the worker does not make them",
                advice,
            )
        }
    });
    findings
}

/// Whether the user may see the properties of nothing that is there.
fn sees_nothing(inspected: &[(&'static str, String, Inspected)]) -> bool {
    let seen = |how: &Inspected| !matches!(how, Inspected::Unseen | Inspected::Missing);
    !inspected.iter().any(|(_, _, how)| seen(how)) && inspected.iter().any(|(_, _, how)| *how == Inspected::Unseen)
}

/// What was looked at, at this kind of broker.
fn said_of_rights(kind: BrokerKind) -> &'static str {
    match kind {
        BrokerKind::RabbitMq | BrokerKind::AmazonMq => {
            "the user may write to the events exchange and to the default exchange, and read the queues of jobs and of notices"
        }
        BrokerKind::ApsaraMq => "the user may write to the events exchange and to the default exchange",
    }
}

/// The finding about how senders are known; `None` if that is by the broker.
fn senders(senders: &Senders) -> Option<DoctorFinding> {
    const CHECK: &str = "requesters";
    match senders {
        Senders::ByUserId => None,
        Senders::BySignature { keys, .. } if keys.is_empty() => Some(unclear(
            CHECK,
            Code::ConfigNoRequester,
            "the broker verifies no user_id and no requester has a key, so every job comes from `anonymous`",
            "give each requester a key by `[[broker.requester]]`",
        )),
        Senders::BySignature { keys, .. } => {
            let names: Vec<&str> = keys.keys().map(Requester::as_str).collect();
            Some(fine(CHECK, format!("known by their signatures: {}", names.join(", "))))
        }
    }
}

/// The finding about messages that the broker gave up; `None` if there are none.
fn dead_lettered(kept: Result<u32, BrokerError>) -> Option<DoctorFinding> {
    const CHECK: &str = "dead-lettered";
    match kept {
        Ok(0) => None,
        Ok(kept) => {
            let says = format!("the broker gave up {kept} messages before a worker had accepted them, and keeps them");
            let advice = "`crossgrant dead list` shows why; once that is mended, `crossgrant put-back` puts them back";
            Some(unclear(CHECK, Code::MessagesDeadLettered, says, advice))
        }
        Err(error) => {
            let advice = "allow this user to read the queue, or look with `rabbitmqctl list_queues`";
            Some(unclear(CHECK, error.code(), error, advice))
        }
    }
}

/// The finding about one exchange or queue; `None` if it is as wanted.
fn judged(which: &str, how: &Inspected, declares: bool) -> Option<DoctorFinding> {
    let code = Code::BrokerTopology;
    Some(match how {
        Inspected::AsWanted => return None,
        // Before the first start of a worker that declares, nothing exists, and that is fine.
        Inspected::Missing if declares => {
            unclear(CHECK, code, format!("{which} does not exist yet"), "start the worker, which declares it")
        }
        Inspected::Missing => {
            fault(CHECK, code, format!("{which} does not exist"), "import deploy/rabbitmq/definitions.json")
        }
        Inspected::Differs(why) if declares => {
            let advice =
                "empty it, delete it and let the worker declare it again, or keep it with `[broker] declare = false`";
            fault(CHECK, code, format!("{which} differs from what the worker declares: {why}"), advice)
        }
        Inspected::Differs(why) => {
            let advice = "check that this is wanted: with `[broker] declare = false` the worker uses it as it is";
            unclear(CHECK, code, format!("{which} differs from what a worker would declare: {why}"), advice)
        }
        Inspected::Ignored => {
            let says =
                format!("{which} may be otherwise: the broker ignores arguments of queues that it does not know");
            fault(CHECK, code, says, "name the kind of broker by `[broker] kind`")
        }
        Inspected::Unseen if declares => {
            let says = format!("{which} exists, and this user may not declare it, as the worker does");
            let advice = "grant the user the configure permission on it, or set `[broker] declare = false`";
            fault(CHECK, Code::BrokerNoRight, says, advice)
        }
        Inspected::Unseen => {
            let says = format!("{which} exists, but this user may not see its properties");
            unclear(CHECK, code, says, "grant the user the configure permission on it, or compare it by `rabbitmqctl`")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_any_right_says_nothing_of_the_workers() {
        let found = |all: &[Inspected]| -> Vec<(&'static str, String, Inspected)> {
            all.iter().map(|how| ("queue", "q".to_owned(), how.clone())).collect()
        };
        let differs = || Inspected::Differs("why".into());
        assert!(sees_nothing(&found(&[Inspected::Unseen, Inspected::Missing])));
        for some in
            [&[Inspected::Unseen, Inspected::AsWanted][..], &[differs(), Inspected::Unseen], &[Inspected::Missing]]
        {
            assert!(!sees_nothing(&found(some)), "{some:?}");
        }
    }

    #[test]
    fn what_is_missing_or_differs_is_a_fault_if_the_worker_depends_on_it() {
        let differs = || Inspected::Differs("inequivalent arg 'x-delivery-limit'".into());
        for (how, declares, ok) in [
            (Inspected::Missing, true, None),
            (Inspected::Missing, false, Some(false)),
            (differs(), true, Some(false)),
            (differs(), false, None),
            (Inspected::Unseen, true, Some(false)),
            (Inspected::Unseen, false, None),
            (Inspected::Ignored, true, Some(false)),
        ] {
            let finding = judged("queue q", &how, declares).unwrap();
            assert!(finding.ok == ok && finding.advice.is_some(), "{how:?}, {declares}: {finding:?}");
        }
        assert_eq!(dead_lettered(Ok(0)), None);
        let kept = dead_lettered(Ok(3)).unwrap();
        assert!(kept.ok.is_none() && kept.says.contains("gave up 3 messages"), "{kept:?}");
        assert_eq!(judged("queue q", &Inspected::AsWanted, true), None);
        assert!(judged("queue q", &differs(), true).unwrap().says.contains("x-delivery-limit"));
    }
}
