//! The small parts that views are made of: text from outside, times, states, codes, and the forms of commands.

use std::borrow::Cow;

use jiff::Timestamp;
use maud::{Markup, html};

use super::asked::{Asked, segment};
use crate::cli::Moments;
use crate::cli::is_word;
use crate::domain::{AccountUid, InstanceId, JobUid, visible};
use crate::engine::record::{Record, State};

/// Text from outside, as it can stand in a document: what a reader would not see as itself is spelt out, and maud escapes the rest.
pub(super) fn said(text: &str) -> Cow<'_, str> {
    visible(text)
}

/// A point in time, and how far away it is.
pub(super) fn time(at: Timestamp, moments: &Moments) -> Markup {
    html! { time datetime=(at) { (moments.stamp(at)) } }
}

/// How long ago a point in time was.
pub(super) fn age(at: Timestamp, moments: &Moments) -> Markup {
    html! { time datetime=(at) { (moments.age(at)) } }
}

/// A point in time with how far away it is, as a sentence has it.
pub(super) fn when(at: Timestamp, moments: &Moments) -> Markup {
    html! { time datetime=(at) { (moments.say(at)) } }
}

/// A word of the closed lists, leading to what it means.
pub(super) fn code(word: &str) -> Markup {
    html! {
        @if is_word(word) { a.code href=(format!("/codes/{}", segment(word))) { (word) } }
        @else { span.code { (said(word)) } }
    }
}

/// A sentence of the worker: what stands between backticks is a command, and `crossgrant explain` leads to what its word means.
pub(super) fn sentence(text: &str) -> Markup {
    // A backtick that is left over is one of somebody's text.
    if text.matches('`').count() % 2 == 1 {
        return html! { (said(text)) };
    }
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @match part.strip_prefix("crossgrant explain ") {
                _ if place % 2 == 0 => (said(part)),
                Some(word) => (code(word)),
                None => code { (said(part)) },
            }
        }
    }
}

/// The form that stands for a state, so that it is not told by its colour alone.
fn shape(word: &str) -> Markup {
    let path = match word {
        "queued" | "unknown" => "M8 2.500a5.500 5.500 0 1 0 0 11 5.500 5.500 0 0 0 0-11z",
        "running" => "M3 2.500 13 8 3 13.500z",
        "waiting" => "M3.500 2h9L8 8l4.500 6h-9L8 8z",
        "held" => "M4 2.500h2.500v11H4zM9.500 2.500H12v11H9.500z",
        "parked" => "M2.500 2.500h11v11h-11z",
        "completed" | "ok" => "M2.500 8.500 6.500 12.500 13.500 4",
        "planned" => "M8 1.500 14.500 8 8 14.500 1.500 8z",
        "superseded" => "M2 8h10M8.500 4 12.500 8 8.500 12",
        "cancelled" => "M3 8h10",
        _ => "M3.500 3.500 12.500 12.500M12.500 3.500 3.500 12.500",
    };
    let filled = ["running", "held", "parked", "waiting"].contains(&word);
    html! {
        svg.shape viewBox="0 0 16 16" width="12" height="12" aria-hidden="true" {
            path d=(path) fill=(if filled { "currentColor" } else { "none" }) stroke="currentColor" stroke-width="2"
                stroke-linecap="round" stroke-linejoin="round" {}
        }
    }
}

/// A state in a word and a form. `alarm` is for what needs a person.
pub(super) fn state(word: &str, alarm: bool) -> Markup {
    html! { span class=(if alarm { "state alarm" } else { "state" }) { (shape(word)) (said(word)) } }
}

/// A check by its name, with the form and the word for how it went. `alarm` is for one that the worker needs.
pub(super) fn check(name: &str, ok: bool, alarm: bool) -> Markup {
    let word = if ok { "ok" } else { "fails" };
    html! { span class=(if alarm { "state alarm" } else { "state" }) { (shape(word)) (code(name)) span.hint { (word) } } }
}

/// The state of a job, with what makes it special.
pub(super) fn standing(record: &Record) -> Markup {
    let held = record.phase.held().is_some();
    let word = if held { "held" } else { record.state().as_str() };
    let overdue = record.wait.as_ref().is_some_and(|wait| wait.overdue) && record.state() == State::Waiting;
    let back = record.undo.is_some() && !record.state().is_terminal();
    html! {
        (state(word, record.state() == State::Parked || overdue))
        @if record.stands_half_done() { " " span.tag.alarm { "half done" } }
        @if overdue { " " span.tag.alarm { "overdue" } }
        @if back { " " span.tag { "going back" } }
    }
}

/// A job by its id.
pub(super) fn job_link(uid: JobUid, id: &str) -> Markup {
    html! { a href=(format!("/jobs/{uid}")) { (said(id)) } }
}

pub(super) fn instance_link(id: &InstanceId) -> Markup {
    html! { a.id href=(format!("/instances/{}", segment(id.as_str()))) { (id) } }
}

pub(super) fn account_link(uid: &AccountUid) -> Markup {
    html! { a.id href=(format!("/jobs?account={uid}")) { (uid) } }
}

/// A button with a field for the reason, which is kept. `carries` are further fields, such as the count that is meant.
pub(super) fn command(
    asked: &Asked,
    action: &str,
    label: &str,
    does: &str,
    danger: bool,
    carries: &[(&str, String)],
) -> Markup {
    let id: String = action.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    html! {
        form.command method="post" action=(action) {
            input type="hidden" name="form" value=(asked.session.form);
            @for (name, value) in carries { input type="hidden" name=(name) value=(value); }
            label for=(format!("why{id}")) { "Why" }
            input type="text" id=(format!("why{id}")) name="reason" required maxlength="500" placeholder="ticket, or a few words"
                aria-describedby=(format!("does{id}"));
            button type="submit" class=(if danger { "act danger" } else { "act" }) { (label) }
            p.hint id=(format!("does{id}")) { (does) }
        }
    }
}

/// What was done, said once at the top of the view that follows.
pub(super) fn done(asked: &Asked, known: &[(&str, &str)]) -> Markup {
    let word = asked.parameter("done").unwrap_or_default();
    let text = known.iter().find(|(key, _)| *key == word).map(|(_, text)| *text);
    html! { @if let Some(text) = text { p.done role="status" { (text) } } }
}
