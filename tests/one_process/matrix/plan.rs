//! Every cell as a plan: what it foretells is held against what carrying it out wrote, call by call, account by account,
//! hour by hour.

use super::cell::{Outcome, Ran};

/// What a plan of a cell says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foretold {
    /// How it ends, with its reason.
    pub said: String,
    /// The hour from which the new payer would be in force.
    pub hour: Option<String>,
    /// The calls that would follow, as the ledger words them.
    pub writes: Vec<String>,
}

/// How a plan differs from what came of its cell, if it does. `unforeseeable` says that the cloud refuses the write for a
/// reason that can be read nowhere.
pub fn difference(foretold: &Foretold, observed: &Outcome, unforeseeable: bool) -> Option<String> {
    let Outcome::Ran(ran) = observed else { return Some("a plan of what is no job".into()) };
    let expected = expected(ran);
    let same = match (&expected, unforeseeable) {
        (_, true) => foretold.said == "planned: planned",
        (Some(expected), _) => foretold == expected,
        // What only the write or the hour brings to light is not foretold; the calls are.
        (None, _) => foretold.said == "planned: planned" && foretold.writes == ran.writes,
    };
    (!same).then(|| format!("foretold {foretold:?}, came {ran:?}"))
}

/// What a plan has to say where carrying it out ended so; `None` where more than the calls cannot be told.
fn expected(ran: &Ran) -> Option<Foretold> {
    let hour = ran.said.iter().find_map(|said| said.strip_prefix("waiting for ")).map(str::to_owned);
    let last = ran.said.last()?.as_str();
    let planned = || Foretold { said: "planned: planned".into(), hour: hour.clone(), writes: ran.writes.clone() };
    match last {
        "completed: already-absent" | "completed: already-satisfied" | "completed: done" => Some(planned()),
        // Without a write or a wait it was the first look that ended it, and the plan's is the same.
        end if ran.writes.is_empty() && hour.is_none() => {
            Some(Foretold { said: end.into(), hour: None, writes: vec![] })
        }
        _ => None,
    }
}
