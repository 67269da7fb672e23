//! A workflow as read and checked: its steps in order, and where each outcome leads.
//!
//! A step leads to later steps only, so a definition cannot loop. The undo goes in the order of the steps too, because a
//! payer change has to touch the resource account before the transit-router account in both directions (API §A.7).

use std::collections::BTreeMap;
use std::time::Duration;

use super::policies::Policies;
use super::verb::{ActsAs, VerbSpec};
use crate::document::Problem;
use crate::domain::Kind;

/// The steps of one kind of job. It has at least one step, every name in it resolves, and only [`Definition::parse`] makes
/// one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The kind of job that it carries out.
    pub kind: Kind,
    /// One sentence for people, shown by `crossgrant workflow list`.
    pub summary: String,
    /// In the order of the file. Never empty.
    pub steps: Vec<Step>,
    pub(super) source: String,
    pub(super) digest: String,
}

/// One `[[step]]`. Its `about` is for readers of the file only; that it is there is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Lower-case words joined by `-`, unique within the definition.
    pub name: String,
    /// Whether it calls or waits.
    pub work: Work,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Calls an action.
    Call(Call),
    /// Waits for the billing hour in which a payer change takes effect. `wait = "hour"` and `emit = "waiting"` say so in the
    /// file, for its readers; they can have no other value.
    Wait {
        /// Where the step leads once the wait is over.
        next: Target,
    },
}

/// The call of an action, with all that its step says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// A verb of the registry that the definition was checked against.
    pub verb: String,
    /// Whose credentials it acts with: what the verb needs.
    pub acts_as: ActsAs,
    /// The name of a retry policy of the policies that the definition was checked against.
    pub retry: String,
    /// The time limit of one attempt. Never zero.
    pub timeout: Duration,
    /// The verb that puts the before-image back: one that writes, with the same credentials. `None` if the step is not undone.
    pub undo: Option<String>,
    /// What a permanent refusal leads to once the job has written.
    pub refused: Refused,
    /// Where each outcome leads. It has every outcome of the verb, also of a verb with only one.
    pub on: BTreeMap<String, Target>,
}

/// What a permanent refusal leads to once the job has written something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Refused {
    /// What was written is taken back.
    #[default]
    Undo,
    /// The call is repeated until it succeeds or the job parks: the missing half must not be given up.
    Retry,
}

/// Where a step leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To the step of that name, which exists and comes later.
    Step(String),
    /// To the end of the workflow.
    End,
}

impl Definition {
    /// Reads and checks a definition against the verbs and policies of this program. Reports every problem of the file.
    pub fn parse(file_name: &str, text: &str, verbs: &[VerbSpec], policies: &Policies) -> Result<Self, Vec<Problem>> {
        super::parse::definition(file_name, text, verbs, policies)
    }

    /// The text it was read from. It is stored for the jobs that are pinned to it, and parsed again later.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// SHA-256, in hex, of what the text means: comments, white space and the order of keys make no difference, the order of
    /// steps does. It depends on the text alone, so every version of this program finds the same digest.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The step of that name.
    pub fn step(&self, name: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// The step with which every job begins.
    pub fn first(&self) -> &Step {
        self.steps.first().expect("a definition has at least one step")
    }

    /// Where `outcome` of `step` leads; `None` if the step has no such outcome. The end of a wait is the outcome `done`.
    pub fn after(&self, step: &Step, outcome: &str) -> Option<Target> {
        match &step.work {
            Work::Call(call) => call.on.get(outcome).cloned(),
            Work::Wait { next } => (outcome == "done").then(|| next.clone()),
        }
    }
}

impl Step {
    /// Its call; `None` if it waits.
    pub fn call(&self) -> Option<&Call> {
        match &self.work {
            Work::Call(call) => Some(call),
            Work::Wait { .. } => None,
        }
    }

    /// Every target, with the outcome that leads there.
    pub fn targets(&self) -> Vec<(&str, &Target)> {
        match &self.work {
            Work::Call(call) => call.on.iter().map(|(outcome, target)| (outcome.as_str(), target)).collect(),
            Work::Wait { next } => vec![("done", next)],
        }
    }
}
