//! What is to be done with a grant or an attachment that Terraform owns.

use std::fmt;

use serde::Serialize;

use super::known::Jobs;
use super::owned::{Listed, Owned, Part};
use super::shown::{Payers, Shown};
use super::state::Fate;
use crate::cli::token::quoted;
use crate::domain::visible;

/// What to do, in one word. The rarer ones come first, so that a page begins with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Word {
    /// The state does not tell what it is.
    Unreadable,
    /// Terraform destroys it at its next apply.
    Destroys,
    /// A job has not ended, or the payer is not in force yet.
    Wait,
    /// The state has a grant that the cloud does not show.
    Gone,
    /// The cloud shows another payer than the state.
    Differs,
    /// State and cloud agree: a grant that a worker can take over.
    TakeOver,
    /// It is Terraform's, and its payer is not.
    Share,
    /// It is Terraform's alone.
    Keep,
    /// What the cloud shows is not known.
    Unknown,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "unreadable",
            Self::Destroys => "destroys",
            Self::Wait => "wait",
            Self::Gone => "gone",
            Self::Differs => "differs",
            Self::TakeOver => "take-over",
            Self::Share => "share",
            Self::Keep => "keep",
            Self::Unknown => "unknown",
        })
    }
}

impl Word {
    /// What it means, and what to do.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Unreadable => "The state does not tell what these are. See them with `terraform state show`.",
            Self::Destroys => {
                "Terraform destroys these at its next apply: a grant is revoked, an attachment is cut. Before that, keep \
                 what is tainted with `terraform untaint`, or take it out of the state."
            }
            Self::Wait => {
                "A job has not ended, or the payer is not in force yet. Let no apply run until then; ask again."
            }
            Self::Gone => {
                "The cloud does not show these grants. The next apply grants them again. If a worker has revoked them, take \
                 them out of the state and of the configuration."
            }
            Self::Differs => {
                "The cloud shows another payer than the state. If the configuration sets order_type, the next apply puts the \
                 old payer back: since provider 1.276.0 in place, and before that, of a grant, by a revoke and a new grant. \
                 Take grants over first; of attachments, ignore order_type."
            }
            Self::TakeOver => {
                "State and cloud agree. For each of these grants: take it out of the state, and its block out of the \
                 configuration. Or, since Terraform 1.7, write a `removed` block with destroy = false in its place."
            }
            Self::Share => {
                "Terraform keeps these attachments, and the worker writes their payer. Where the configuration sets \
                 order_type, add it to ignore_changes."
            }
            Self::Keep => "These are Terraform's alone: the worker writes no payer on them.",
            Self::Unknown => "What the cloud shows is not known, so nothing is said of these.",
        }
    }
}

/// What is to be done with one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub word: Word,
    /// What is special about it; can be empty.
    pub why: String,
    /// Commands, each for a shell.
    pub commands: Vec<String>,
    /// What to write into the configuration; can be empty.
    pub configuration: String,
}

/// Judges one resource. `again`: the address of another resource for the same grant or attachment.
pub(super) fn judge(listed: &Listed, shown: &Shown, jobs: &Jobs, again: Option<&str>) -> Verdict {
    let owned = match &listed.owned {
        Ok(owned) => owned,
        Err(why) => {
            let (why, word) = (why.clone(), Word::Unreadable);
            return Verdict { word, why, commands: vec![], configuration: String::new() };
        }
    };
    let (word, reason) = word(owned, shown, jobs);
    let mut reasons: Vec<String> = reason.into_iter().collect();
    reasons.extend(again.map(|other| format!("{other} is the same {} in this state", owned.part.as_str())));
    let (mut commands, mut configuration) = (Vec::new(), String::new());
    let address = quoted(listed.address.clone());
    if owned.fate == Some(Fate::Tainted) {
        commands.push(format!("terraform untaint {address}"));
    }
    let is_grant = matches!(owned.part, Part::Grant { .. });
    let leaves = is_grant && matches!(word, Word::TakeOver | Word::Differs | Word::Gone);
    if leaves || is_grant && owned.fate == Some(Fate::Deposed) {
        commands.push(format!("terraform state rm {address}"));
    }
    if leaves {
        let block = visible(&listed.block);
        configuration = format!("removed {{\n  from = {block}\n  lifecycle {{\n    destroy = false\n  }}\n}}");
    } else if owned.part == (Part::Attachment { has_payer: true }) && matches!(word, Word::Share | Word::Differs) {
        configuration = "lifecycle {\n  ignore_changes = [order_type]\n}".into();
    }
    Verdict { word, why: reasons.join("; "), commands, configuration }
}

fn word(owned: &Owned, shown: &Shown, jobs: &Jobs) -> (Word, Option<String>) {
    match owned.fate {
        Some(Fate::Tainted) => return (Word::Destroys, Some("it is tainted".into())),
        Some(Fate::Deposed) => return (Word::Destroys, Some("it is deposed: left over from a replacement".into())),
        None => {}
    }
    if let Jobs::Known(known) = jobs
        && let Some(first) = known.open.first()
    {
        return (Word::Wait, Some(format!("job {first} has not ended: crossgrant show {}", quoted(first.clone()))));
    }
    match (owned.part, shown) {
        (Part::Attachment { has_payer: false }, _) => (Word::Keep, None),
        (_, Shown::Unknown(why)) => (Word::Unknown, Some(why.clone())),
        (_, Shown::NotAsked) => (Word::Unknown, None),
        (Part::Grant { .. }, Shown::Absent) => (Word::Gone, None),
        (Part::Attachment { .. }, Shown::Absent) => {
            (Word::Keep, Some("its transit router does not list it: `terraform plan` shows what becomes of it".into()))
        }
        (part, Shown::There(payers)) => there(part, owned, payers),
    }
}

fn there(part: Part, owned: &Owned, payers: &Payers) -> (Word, Option<String>) {
    let agrees = match part {
        Part::Grant { .. } => Word::TakeOver,
        Part::Attachment { .. } if owned.order_type.is_none() => Word::Keep,
        Part::Attachment { .. } => Word::Share,
    };
    match (payers.order_type, payers.effective_order_type) {
        (Some(written), Some(billed)) if written != billed => {
            (Word::Wait, Some(format!("{written} is not in force yet: {billed} is billed")))
        }
        (Some(now), _) if owned.order_type.is_some_and(|state| state != now) => (Word::Differs, None),
        (None, _) if owned.order_type.is_some() => (Word::Unknown, Some("the cloud shows no payer".into())),
        _ => (agrees, None),
    }
}
