//! What has happened to a job: its events, the commands of operators, its writes with their RequestIds, and what was seen, in order.

use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use super::mark::{said, time};
use crate::admin::JobView;
use crate::cli::{Moments, image, written};
use crate::engine::record::Image;

/// Something that happened.
struct Happened {
    at: Timestamp,
    /// What sort of thing it is.
    sort: &'static str,
    says: String,
    /// What there is to read besides.
    more: Option<String>,
}

fn all(view: &JobView, moments: &Moments) -> Vec<Happened> {
    let record = &view.job;
    let event = |event: &Value| {
        let text = |name: &str| event.get(name).and_then(Value::as_str);
        let data = event.get("data")?;
        let word = text("type")?.rsplit('.').next()?;
        let message = data.get("message").and_then(Value::as_str).filter(|message| *message != word);
        let message = message.map(|message| format!(": {message}")).unwrap_or_default();
        let more = serde_json::to_string_pretty(event).ok();
        Some(Happened { at: text("time")?.parse().ok()?, sort: "event", says: format!("{word}{message}"), more })
    };
    let look = |seen: &Option<Image>, word: &'static str| {
        seen.as_ref().map(|seen| {
            let more = serde_json::to_string_pretty(seen).ok();
            Happened { at: seen.at, says: image(seen, moments), sort: word, more }
        })
    };
    let mut all: Vec<Happened> = view.events.iter().filter_map(event).collect();
    all.extend(look(&record.before, "before"));
    all.extend(look(&record.after, "seen last"));
    all.extend(record.commands.iter().map(|done| Happened {
        at: done.at,
        sort: "command",
        says: format!("{} {}", done.command, done.mandate),
        more: None,
    }));
    all.extend(record.writes.iter().map(|write| Happened {
        at: write.intended_at,
        sort: "write",
        says: written(write, moments),
        more: None,
    }));
    // Of what happened at one moment, the look before a write comes first, and the event that tells of it last.
    let place = |one: &Happened| match one.sort {
        "event" if one.says.starts_with("accepted") => 0,
        "before" | "command" => 1,
        "write" => 2,
        "seen last" => 3,
        _ => 4,
    };
    all.sort_by_key(|one| (one.at, place(one)));
    for one in &mut all {
        // The words of writes and looks begin with their time, which stands before them here.
        if let Some(rest) = one.says.strip_prefix(&format!("{} ", moments.stamp(one.at))) {
            one.says = rest.to_owned();
        }
    }
    all
}

pub(super) fn timeline(view: &JobView, moments: &Moments) -> Markup {
    html! {
        ol.timeline {
            @for (place, one) in all(view, moments).iter().enumerate() {
                li class=(one.sort) {
                    (time(one.at, moments)) " " span.sort { (one.sort) }
                    div.says {
                        (said(&one.says))
                        @if let Some(more) = &one.more {
                            details id=(format!("more-{place}")) { summary { "all of it" } pre tabindex="0" { (crate::domain::visible_lines(more)) } }
                        }
                    }
                }
            }
        }
    }
}
