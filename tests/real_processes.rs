//! Real processes, killed without a warning: the worker (`crossgrant serve`), a simulated cloud (`crossgrant simulate`)
//! and a RabbitMQ node, talking AMQP and HTTP on the loopback. What counts is the ledger of the cloud: every effect
//! exactly once; and what the requester gets: one end.

mod accounts;
mod admin_port;
mod alarms;
mod backup;
mod batches;
mod broker_killed;
mod brokers;
mod ccn_plans;
mod cli_json;
mod clients;
mod clock_set;
mod commands;
mod database;
mod door;
mod events;
mod guards;
mod intake;
mod log;
mod messages;
mod on_terminal;
mod outbox;
mod postgres;
mod probe;
mod readme;
mod reload;
mod running;
mod service;
mod shared_budget;
mod stopped;
mod store_lost;
mod terminal;
mod terraform;
mod traces;
mod users;
mod webhooks;
mod worker_killed;

use std::sync::Arc;

use serde_json::Value;

use crate::support::crew::{Crew, Place};
use crate::support::rabbit::Rabbit;
use crate::support::site::{Options, Site, Worker};
use crate::support::{crossgrant, scratch, shared_rabbit};

pub const MODIFY: &str = "ModifyGrantInstanceToTransitRouter";
pub const UPDATE: &str = "UpdateTransitRouterVpcAttachmentAttribute";
pub const GRANT: &str = "GrantInstanceToTransitRouter";
pub const REVOKE: &str = "RevokeInstanceFromTransitRouter";
pub const RULES: &str = "DescribeGrantRulesToCen";
/// An order type takes effect.
pub const HOUR: &str = "hour";

/// A site on the node that tests share.
pub fn site(options: &Options<'_>) -> Site {
    Site::new(crossgrant(), scratch(), shared_rabbit(), options)
}

/// The same, with who works there.
fn place(crew: Crew, options: Options<'_>) -> Place {
    crew.site(crossgrant(), scratch(), shared_rabbit(), options)
}

/// The same, on a node of its own, which may be killed.
fn lonely_place(crew: Crew) -> Place {
    crew.site(crossgrant(), scratch(), Arc::new(Rabbit::start(scratch()).unwrap()), Options::default())
}

/// A site on a node of its own, which may be killed.
fn lonely_site(options: &Options<'_>) -> Site {
    Site::new(crossgrant(), scratch(), Arc::new(Rabbit::start(scratch()).unwrap()), options)
}

/// The operations that had an effect on an instance, in order.
pub fn operations(site: &Site, instance: &str) -> Vec<String> {
    site.cloud.written(instance).into_iter().map(|(operation, _)| operation).collect()
}

/// How the calls of an operation ended, such as `1 OK, 1 fault:hang_before`. A call that changed nothing because it had
/// been made before shows here and not in the ledger.
pub fn answers(site: &Site, operation: &str) -> String {
    let answers = site.cloud.answers(operation).into_iter().map(|(code, count)| format!("{count} {code}"));
    answers.collect::<Vec<_>>().join(", ")
}

/// Waits for the end of a job, which must be a good one.
pub fn completes(site: &Site, id: &str) {
    let end = site.mail.end(id);
    assert_eq!(end["type"], "crossgrant.job.completed", "{end}");
}

/// Waits for the end of a job, which must be a good one, and the only one: in the store and among all that was said.
pub fn completes_once(site: &Site, worker: &Worker, id: &str) -> Value {
    let end = site.mail.end(id);
    assert_eq!(end["type"], "crossgrant.job.completed", "{end}");
    let said = end["id"].as_str().unwrap().to_owned();
    assert_eq!(worker.terminal_ids(id), [said.as_str()]);
    // The answer goes out with the event; after both there is nothing more to come.
    site.mail.wait(&format!("the answer about {id}"), |all| {
        let mut answers = all.iter().filter(|m| m.place == crate::support::mailbox::Place::Answer && m.is_terminal());
        answers.find(|m| m.job().as_deref() == Some(id)).map(drop)
    });
    assert_eq!(site.mail.terminal_ids(id).into_iter().collect::<Vec<_>>(), [said]);
    end
}
