//! What a golden store holds: its jobs, where each was when the store was closed, and how each must end.

use std::path::{Path, PathBuf};

use crossgrant::domain::{InstanceId, JobId, Reason, Requester};
use crossgrant::engine::ports::mail::{Incoming, Lane, Outgoing};
use crossgrant::engine::record::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `jobs.toml` of a golden store.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What the clock showed when the last of the stores was closed.
    pub stopped_at: Timestamp,
    /// The jobs, in the order of acceptance.
    pub jobs: Vec<Entry>,
}

/// A job of a golden store.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The user that sent it; absent: without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The message, as it was sent.
    pub message: String,
    /// Its state in the store.
    pub found: State,
    /// Why it had ended or was parked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Reason>,
    /// What a person must do before it can end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
    /// The state it must end in.
    pub end: State,
    /// The reason it must end with.
    pub because: Reason,
    /// What is still to be written for it: operation and payer, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<String>,
}

/// What a person does about a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Person {
    Resume,
    Cancel,
    Approve,
    /// Ends the pause of the account that owns its CEN.
    Unpause,
    /// Decides about the job before it in the line of its instance.
    FreeTheLine,
}

impl Manifest {
    pub fn read(folder: &Path) -> Self {
        toml::from_str(&read(folder, "jobs.toml")).unwrap()
    }
}

impl Entry {
    pub fn body(&self) -> Value {
        serde_json::from_str(&self.message).unwrap()
    }

    pub fn id(&self) -> JobId {
        JobId::parse(self.body()["id"].as_str().unwrap()).unwrap()
    }

    pub fn requester(&self) -> Requester {
        self.user.as_ref().map_or_else(Requester::anonymous, |user| Requester::parse(user).unwrap())
    }

    pub fn instance(&self) -> InstanceId {
        InstanceId::parse(self.body()["instance"]["id"].as_str().unwrap()).unwrap()
    }

    /// The message as the broker hands it out.
    pub fn incoming(&self) -> Incoming {
        incoming(self.user.as_deref(), &self.message)
    }
}

/// A message as the broker hands it out.
pub fn incoming(user: Option<&str>, message: &str) -> Incoming {
    Incoming {
        body: message.to_owned().into(),
        routing_key: "crossgrant.jobs".into(),
        user_id: user.map(str::to_owned),
        ..Incoming::default()
    }
}

/// One message in a line, as the lists beside the stores have it.
pub fn line(message: &Outgoing) -> String {
    format!("{} {:?} {}", message.message_id, message.exchange, message.routing_key)
}

/// The lane of a message in a list beside a store.
pub fn lane_of(line: &str) -> Lane {
    if line.split(' ').nth(1) == Some("\"\"") { Lane::Replies } else { Lane::Events }
}

/// Where the golden stores are, one folder for each format.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden")
}

/// The folders of all golden stores, oldest first.
pub fn folders() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

pub fn read(folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
