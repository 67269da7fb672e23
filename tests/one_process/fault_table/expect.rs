//! The right end of a cell, from the rules of the design and not from the engine: what passes changes nothing, what
//! lasts parks, and half done is said of exactly what may have been written. Refused keys park nothing: the job waits for them.

use crossgrant::domain::Reason;

use super::column::{Column, Length};

/// How a job must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As if nothing had gone wrong, with the same effects.
    AsUndisturbed,
    /// Parked, with this number of its effects, the first ones.
    Parked(Reason, usize),
    /// Still waiting for the credential of an account to be taken, with this number of its effects, the first ones.
    Held(usize),
}

/// What there is to know about a cell: the operation, the type of the instance, and the operations of the effects that
/// the job has when nothing goes wrong.
pub fn expect(operation: &str, column: Column, length: Length, of: &str, effects: &[&str]) -> End {
    match effects.iter().position(|effect| *effect == operation) {
        Some(place) => write(column, length, place),
        None => read(operation, column, length, of, effects),
    }
}

fn write(column: Column, length: Length, place: usize) -> End {
    match column {
        // The cloud said yes and nothing came of it: not believed, and not sent again.
        Column::Empty => End::Parked(Reason::HalfDone, place),
        Column::ExpiredToken if length == Length::ForGood => End::Held(place),
        _ if length != Length::ForGood || column.is_carried_out() => End::AsUndisturbed,
        // Each answer says that nothing was done, so only what was written before is left half done.
        _ if column.is_turned_away() && place == 0 => End::Parked(Reason::GaveUp, 0),
        _ => End::Parked(Reason::HalfDone, place),
    }
}

fn read(operation: &str, column: Column, length: Length, of: &str, effects: &[&str]) -> End {
    if column == Column::ExpiredToken {
        match length {
            Length::ForGood => return End::Held(0),
            Length::WhileWaiting => return End::Held(effects.len()),
            Length::Once(_) | Length::Twice | Length::TenMinutes => {}
        }
    }
    if !matches!(length, Length::ForGood | Length::WhileWaiting) || column == Column::Slow {
        return End::AsUndisturbed;
    }
    if length == Length::WhileWaiting {
        // Everything is written; what cannot be seen to be in force is never said to be.
        return End::Parked(Reason::GaveUp, effects.len());
    }
    match column {
        _ if column.is_meaningless(operation) => End::AsUndisturbed,
        Column::Stale => match effects.iter().position(|effect| must_show(operation, effect, of)) {
            Some(place) => End::Parked(Reason::HalfDone, place + 1),
            None => End::AsUndisturbed,
        },
        // What a connection is attached to elsewhere need not be readable. Whose a CEN is, `DescribeCens` tells as well, and
        // a grant needs the transit routers for nothing else.
        Column::Empty if operation == "DescribeVpnAttachments" => End::AsUndisturbed,
        Column::Empty if operation == "ListTransitRouters" && effects[0].starts_with("Grant") => End::AsUndisturbed,
        // Nothing is written on half a look.
        _ => End::Parked(Reason::GaveUp, 0),
    }
}

/// Whether an effect counts only when this read shows it. One witness confirms what is there; that something is gone
/// takes both. Of an ECR both are asked, and the first may be silent.
fn must_show(read: &str, effect: &str, of: &str) -> bool {
    let is = |verb: &str| effect.starts_with(verb);
    match read {
        "DescribeGrantRulesToCen" => is("Revoke") || is("Modify") || is("Grant") && of != "ECR",
        "DescribeGrantRulesToResource" | "DescribeGrantRules" => is("Revoke") || is("Grant") && of == "ECR",
        // It shows attachments of every edition: until it agrees that one is gone, the lists contradict each other.
        "DescribeCenAttachedChildInstances" => is("Detach") || is("Delete"),
        read if read.starts_with("List") => is("Update") || is("Delete"),
        _ => false,
    }
}
