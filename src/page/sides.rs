//! The two accounts of a job side by side: what is wanted, what is written, what is in force, and when that was read. Half done is
//! seen, not read.

use maud::{Markup, html};

use super::mark::{account_link, age, said};
use crate::cli::Moments;
use crate::domain::{Edition, Kind, OrderType};
use crate::engine::record::{Image, Record};

/// One account: what is shown under each heading, and whether what is written there is not what is wanted.
struct Side {
    wanted: String,
    written: Vec<String>,
    in_force: String,
    differs: bool,
}

/// What the job asks for, as a word of a payer; `None` for no grant at all.
fn goal(record: &Record) -> Option<String> {
    match record.job.kind {
        Kind::Revoke => None,
        _ => Some(record.job.order_type.map_or_else(|| "granted".to_owned(), |payer| payer.to_string())),
    }
}

fn shown(payer: Option<OrderType>) -> String {
    payer.map_or_else(|| "not shown".to_owned(), |payer| payer.to_string())
}

/// The account of the instance, which holds the grant.
fn resource(record: &Record, image: Option<&Image>) -> Side {
    let wanted = goal(record);
    let written = match image {
        None => None,
        Some(image) if image.granted => Some(shown(image.order_type)),
        Some(_) => Some("not granted".to_owned()),
    };
    let same = match (&wanted, image) {
        (None, Some(image)) => !image.granted,
        (Some(_), Some(image)) => {
            image.granted && (record.job.order_type.is_none() || image.order_type == record.job.order_type)
        }
        (_, None) => true,
    };
    let in_force = image.map_or_else(
        || "not read".to_owned(),
        |image| if image.granted { shown(image.effective_order_type) } else { "nothing".to_owned() },
    );
    Side {
        wanted: wanted.unwrap_or_else(|| "not granted".to_owned()),
        written: vec![written.unwrap_or_else(|| "not read".to_owned())],
        in_force,
        differs: !same,
    }
}

/// The account of the CEN, which holds the attachments.
fn transit_router(record: &Record, image: Option<&Image>) -> Side {
    let attachments = image.and_then(|image| image.attachments.as_ref());
    let billed = attachments.into_iter().flatten().filter(|attachment| attachment.edition == Edition::Enterprise);
    let mut differs = false;
    let mut written: Vec<String> = Vec::new();
    for attachment in billed {
        let wrong = match record.job.kind {
            Kind::PayerChange => attachment.order_type.is_some() && attachment.order_type != record.job.order_type,
            Kind::Grant | Kind::Revoke => false,
        };
        differs |= wrong;
        written.push(format!("{} {}", attachment.id, shown(attachment.order_type)));
    }
    if written.is_empty() {
        written.push(if attachments.is_some() { "nothing attached" } else { "attachments not read" }.to_owned());
    }
    let wanted = match record.job.kind {
        Kind::PayerChange => goal(record).unwrap_or_default(),
        Kind::Grant => "may attach".to_owned(),
        Kind::Revoke => "nothing attached".to_owned(),
    };
    let in_force = image.map_or_else(
        || "not read".to_owned(),
        |image| if image.granted { shown(image.effective_order_type) } else { "nothing".to_owned() },
    );
    Side { wanted, written, in_force, differs }
}

/// Both, as a table with a column for each.
pub(super) fn sides(record: &Record, moments: &Moments) -> Markup {
    let image = record.after.as_ref().or(record.before.as_ref());
    let both = [resource(record, image), transit_router(record, image)];
    // Until a job has written, that the cloud is not as wanted is what it is there for.
    let alarms = record.stands_half_done() || record.state() == crate::engine::record::State::Waiting;
    let row = |name: &str, cell: &dyn Fn(&Side) -> Markup| {
        html! { tr { th scope="row" { (name) } @for side in &both { td { (cell(side)) } } } }
    };
    html! {
        div.wide {
            table.sides {
                thead { tr {
                    td {}
                    th scope="col" { "Resource account " (account_link(&record.job.instance.owner)) }
                    th scope="col" { "Transit-router account " (account_link(&record.job.cen.owner)) }
                } }
                tbody {
                    (row("Wanted", &|side| html! { (said(&side.wanted)) }))
                    (row("Written", &|side| html! {
                        @for line in &side.written {
                            div class=[(side.differs && alarms).then_some("differs")] { (said(line)) }
                        }
                        @if side.differs && alarms { span.hint { "not what is wanted" } }
                    }))
                    (row("In force", &|side| html! { (said(&side.in_force)) }))
                    (row("Last read", &|_| html! { @match image { Some(image) => (age(image.at, moments)), None => "never" } }))
                }
            }
        }
    }
}
