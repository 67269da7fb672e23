//! The steps of a job: the way that its definition lays out, where the job is on it, and the way back.

use maud::{Markup, html};

use crate::admin::JobStep;
use crate::engine::record::Record;

/// How a job stands to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It has written something there.
    Written,
    /// It is there.
    Here,
    /// What it wrote there was put back.
    Back,
    /// It came past without a write, or has not come to it.
    Other,
}

impl Place {
    fn of(record: &Record, step: &str) -> Self {
        let mut writes = record.writes.iter().filter(|write| write.step == step);
        if record.step == step && !record.state().is_terminal() {
            return Self::Here;
        }
        match (writes.clone().any(|write| write.undo), writes.any(|write| write.may_have_landed())) {
            (true, _) => Self::Back,
            (_, true) => Self::Written,
            _ => Self::Other,
        }
    }

    fn says(self, back: bool) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Here if back => "here, going back",
            Self::Here => "here",
            Self::Back => "put back",
            Self::Other => "",
        }
    }
}

/// The steps in a row. Those of a job that goes back stand the other way round.
pub(super) fn steps(record: &Record, steps: &[JobStep]) -> Markup {
    let back = record.undo.is_some();
    html! {
        ol class=(if back { "rail back" } else { "rail" }) aria-label=(if back { "Steps, being undone" } else { "Steps" }) {
            @for step in steps {
                @let place = Place::of(record, &step.name);
                li class=(match place { Place::Written => "written", Place::Here => "here", Place::Back => "undone", Place::Other => "other" })
                    aria-current=[(place == Place::Here).then_some("step")] {
                    span.name { (step.name) }
                    span.hint {
                        @match (&step.calls, &step.acts_as) {
                            (Some(calls), Some(acts_as)) => { @if *calls != step.name { (calls) " " } "as " (acts_as) },
                            _ => "waits for the hour",
                        }
                        @if back { @if let Some(undo) = &step.undo { ", undone by " (undo) } }
                    }
                    @let says = place.says(back);
                    @if !says.is_empty() { span.tag { (says) } }
                }
            }
        }
    }
}
