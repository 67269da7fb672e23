//! A workflow as read and checked: its steps, in order, and where each outcome leads.
//!
//! Steps only ever lead to later steps, so a definition cannot loop, and "in the order of the steps" means the same for
//! going forward and for the undo, which takes back what was written in that order as well (a payer change must touch
//! the resource account before the transit-router account in both directions, API §A.7).

use std::collections::BTreeMap;
use std::time::Duration;

use super::policies::Policies;
use super::problem::Problem;
use super::verb::{Account, VerbSpec};
use crate::domain::Kind;

/// The steps of one kind of job. At least one step; every name in it resolves; built by [`Definition::parse`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The kind of job it carries out.
    pub kind: Kind,
    /// One sentence for people.
    pub summary: String,
    /// In order. Never empty.
    pub steps: Vec<Step>,
    pub(super) source: String,
    pub(super) digest: String,
}

/// One entry of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// kebab-case, unique within the definition.
    pub name: String,
    /// One sentence for people.
    pub about: String,
    /// What it does.
    pub work: Work,
    /// The line of its `[[step]]`, 1-based.
    pub line: usize,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Calls an action.
    Call(Call),
    /// Sleeps until a time.
    Wait(Wait),
}

/// A step that calls an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The verb, known to the registry the definition was checked against.
    pub verb: String,
    /// Whose account it acts in: what the verb needs.
    pub account: Account,
    /// A retry policy, known to the policies the definition was checked against.
    pub retry: String,
    /// Of one attempt. Never zero.
    pub timeout: Duration,
    /// The verb that puts the before-image back; a writing one of the same account.
    pub undo: Option<String>,
    /// What a permanent refusal leads to once the job has written.
    pub refused: Refused,
    /// Where each outcome of the verb leads; every outcome is there, those of single-outcome verbs too.
    pub on: BTreeMap<String, Target>,
}

/// What a permanent refusal leads to once the job has written something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Refused {
    /// Take back what was written.
    #[default]
    Undo,
    /// Keep at it until it succeeds or parks: the half that is missing must not be given up quietly.
    Retry,
}

/// A step that sleeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Until when.
    pub for_: WaitFor,
    /// The event that says so.
    pub emit: Emit,
    /// Where it leads once the wait is over.
    pub next: Target,
}

/// What a step can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// The billing hour in which a payer change takes effect.
    Hour,
}

/// The events a step can cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emit {
    /// `crossgrant.job.waiting`
    Waiting,
}

/// Where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// At the step of that name, which exists and comes later.
    Step(String),
    /// The workflow is through.
    End,
}

impl Definition {
    /// Reads and checks a definition against the verbs and policies there are. All findings are reported together.
    pub fn parse(file_name: &str, text: &str, verbs: &[VerbSpec], policies: &Policies) -> Result<Self, Vec<Problem>> {
        super::parse::definition(file_name, text, verbs, policies)
    }

    /// The text it was read from, to be stored with a job that is pinned to it and parsed again later.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// SHA-256, in hex, of what the text says: comments, white space and the order of keys make no difference, the
    /// order of steps does. It depends on the text alone, so every version of this program finds the same digest.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The step of that name.
    pub fn step(&self, name: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// Where every job begins.
    pub fn first(&self) -> &Step {
        self.steps.first().expect("a definition has at least one step")
    }

    /// Where `outcome` of `step` leads; `None` when the step has no such outcome. The end of a wait has the outcome
    /// `done`.
    pub fn after(&self, step: &Step, outcome: &str) -> Option<Target> {
        match &step.work {
            Work::Call(call) => call.on.get(outcome).cloned(),
            Work::Wait(wait) => (outcome == "done").then(|| wait.next.clone()),
        }
    }
}

impl Step {
    /// What it calls, unless it waits.
    pub fn call(&self) -> Option<&Call> {
        match &self.work {
            Work::Call(call) => Some(call),
            Work::Wait(_) => None,
        }
    }

    /// Every target it can lead to, with the outcome that leads there.
    pub fn targets(&self) -> Vec<(&str, &Target)> {
        match &self.work {
            Work::Call(call) => call.on.iter().map(|(outcome, target)| (outcome.as_str(), target)).collect(),
            Work::Wait(wait) => vec![("done", &wait.next)],
        }
    }
}

impl Refused {
    /// Reads the word used in definitions.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Undo, Self::Retry].into_iter().find(|value| value.as_str() == text)
    }

    /// The word used in definitions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Undo => "undo",
            Self::Retry => "retry",
        }
    }
}

impl WaitFor {
    /// Reads the word used in definitions.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Hour].into_iter().find(|value| value.as_str() == text)
    }

    /// The word used in definitions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
        }
    }
}

impl Emit {
    /// Reads the word used in definitions.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Waiting].into_iter().find(|value| value.as_str() == text)
    }

    /// The word used in definitions and in the event's type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
        }
    }
}
