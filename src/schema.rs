//! The contract for programs: JSON Schemas (2020-12) of what the worker takes and says, AsyncAPI of its messages and OpenAPI of
//! its HTTP. All are made of the types and tables that the program itself uses, so they cannot say anything else.
//!
//! | Name | Describes |
//! |---|---|
//! | `job` | the body of a job |
//! | `batch` | the body of a message that brings all jobs of a batch |
//! | `event` | the CloudEvents attributes of every event |
//! | `event.<type>` | `data` of the events of that type; its URI is their `dataschema` |
//! | `plan` | a line of `crossgrant plan --json` |
//! | `jobs` | a line of `crossgrant jobs --json` |
//! | `show` | `crossgrant show --json` |
//! | `status` | `crossgrant status --json` |
//! | `configuration` | `crossgrant.toml` |
//! | `asyncapi` | exchanges, queues and messages: AsyncAPI 3.0 |
//! | `openapi` | the admin HTTP: OpenAPI 3.1 |
//!
//! A change of a schema is an addition, or the version is raised ([`SCHEMA_VERSION`](crate::domain::SCHEMA_VERSION)).
//! `tests/one_process/schemas.rs` compares each with those of the last version.

mod asyncapi;
mod bodies;
mod events;
mod generate;
mod openapi;
mod page;

use serde_json::Value;

use crate::admin::{JobRow, JobView, Status};
use crate::cli::planned::PlanAnswer;
use crate::config;
use crate::domain::{Topic, contract};

pub use page::http_page;

/// A document of the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its name, as `crossgrant schema` takes it.
    pub name: String,
    /// What it describes, in one line.
    pub says: String,
}

/// Every document, in the order in which they are listed.
pub fn documents() -> Vec<Document> {
    let document = |(name, says): (&str, &str)| Document { name: name.to_owned(), says: says.to_owned() };
    let first = [
        ("job", "the body of a job"),
        ("batch", "the body of a message with all jobs of a batch"),
        ("event", "the attributes of every event"),
    ];
    let events =
        Topic::all().map(|topic| Document { name: topic.schema(), says: format!("`data` of {}", topic.name()) });
    let others = [
        ("plan", "a line of `crossgrant plan --json`"),
        ("jobs", "a line of `crossgrant jobs --json`"),
        ("show", "`crossgrant show --json`"),
        ("status", "`crossgrant status --json`"),
        ("configuration", "crossgrant.toml"),
        ("asyncapi", "the messages, as AsyncAPI 3.0"),
        ("openapi", "the admin HTTP, as OpenAPI 3.1"),
    ];
    first.map(document).into_iter().chain(events).chain(others.map(document)).collect()
}

/// The document of a name; `None` if there is none.
pub fn document(name: &str) -> Option<Value> {
    if let Some(topic) = Topic::all().find(|topic| topic.schema() == name) {
        return Some(events::data(topic));
    }
    Some(match name {
        "job" => generate::named(name, contract::schema()),
        "batch" => generate::named(name, contract::whole_schema()),
        "event" => events::envelope(),
        "plan" => generate::of::<PlanAnswer<'_>>(name),
        "jobs" => generate::of::<JobRow>(name),
        "show" => generate::of::<JobView>(name),
        "status" => generate::of::<Status>(name),
        "configuration" => generate::named(name, config::json_schema()),
        "asyncapi" => asyncapi::document(),
        "openapi" => openapi::document(),
        _ => return None,
    })
}
