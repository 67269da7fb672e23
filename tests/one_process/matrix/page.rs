//! What was observed, in Markdown.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crossgrant::domain::OrderType;

use super::Case;
use super::cell::{Asks, Cell, Granted, Outcome, PAYERS, Place, Ran, TYPES};
use super::settings::Setting;

const HEAD: &str = "\
# The rules, as they were observed

This page shows what a worker did and reported for every type of instance, every kind of job and every situation in which the
job can find the instance. The tests write this page (`tests/one_process/matrix.rs`). They run every cell against a simulated
cloud, compare its events, its findings and the cloud's own ledger of writes with the rules, and fail when this page differs from
what they observe. To write it again: `CROSSGRANT_BLESS=1 cargo test --test promises matrix::`.

A cell shows what is written, in order, and then how the job ends.

| | |
|---|---|
| Grant, Revoke, Modify | `Grant…`, `Revoke…` and `ModifyGrant…` of the type, as the account that owns the instance |
| Update, Delete, Detach | a call for one attachment, as the account that owns the CEN; a payer change writes the new payer on both sides |
| *hour* | the job waits for the top of the hour (event `waiting`) |
| **done** and the like | `completed`, with this reason |
| failed, parked, overdue | these events, with the reason; a job that parks half done has written something |
| rejected | the message is not a valid job; the fault is at this place |
| – (1) | this situation cannot occur; see note 1 |
";

/// A cell in one line.
pub fn label(cell: &Cell) -> String {
    let payer = cell.payer.map_or_else(|| "no payer".to_owned(), |payer| payer.to_string());
    format!(
        "{} {} asking {payer}; granted: {}; attached: {}",
        cell.of,
        cell.asks.name(),
        cell.granted.name(),
        cell.place.name()
    )
}

/// An outcome in one line, with everything.
pub fn full(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Refused(at) => format!("rejected at {}", at.join(", ")),
        Outcome::Impossible(why) => format!("impossible: {why}"),
        Outcome::Ran(Ran { said, findings, granted_to, writes, odd }) => {
            let mut parts = vec![said.join(", ")];
            for (name, list) in [("findings", findings), ("granted to", granted_to), ("odd", odd), ("wrote", writes)] {
                if !list.is_empty() {
                    parts.push(format!("{name}: {}", list.join(", ")));
                }
            }
            parts.join("; ")
        }
    }
}

pub fn page(settings: &[Setting], cases: &[Case]) -> String {
    let mut page = HEAD.to_owned();
    let of = |n| cases.iter().filter(move |case| case.setting == n).collect::<Vec<_>>();
    let default = of(0);
    let mut notes = Notes::default();
    for asks in Asks::ALL {
        write!(page, "\n## {}\n\n", heading(asks)).unwrap();
        let types = TYPES.map(|of| of.to_string()).join(" | ");
        writeln!(page, "| payer asked for | granted | attached | {types} |\n|---|---|---|---|---|---|---|---|")
            .unwrap();
        for row in rows(&default, asks) {
            let stories: Vec<String> = row.outcomes.iter().map(|outcome| notes.story(outcome)).collect();
            writeln!(page, "| {} | {} | {} | {} |", row.payer, row.granted, row.places, stories.join(" | ")).unwrap();
        }
    }
    page.push_str("\n## Notes\n\n");
    for (n, why) in notes.0.iter().enumerate() {
        writeln!(page, "{}. {why}", n + 1).unwrap();
    }
    page.push_str("\n## Findings\n\n| the job ends | its findings |\n|---|---|\n");
    for (end, found) in findings(cases) {
        writeln!(page, "| {end} | {found} |").unwrap();
    }
    page.push_str(&differences(settings, &of));
    page.push_str(&counts(settings, cases, &default));
    page
}

fn heading(asks: Asks) -> String {
    match asks {
        Asks::RevokeDeleting => "revoke, with `options.attachments` = `\"delete\"`".into(),
        _ => asks.name().into(),
    }
}

/// The reasons why something is impossible, in the order of their first use.
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    /// An outcome as a way, or as the number of the reason why there is none.
    fn story(&mut self, outcome: &Outcome) -> String {
        let Outcome::Impossible(why) = outcome else { return way(outcome) };
        let known = self.0.iter().position(|note| note == why).unwrap_or_else(|| {
            self.0.push(why.clone());
            self.0.len() - 1
        });
        format!("– ({})", known + 1)
    }
}

/// What is written, by the first word of each operation, and how it ends.
fn way(outcome: &Outcome) -> String {
    let ran = match outcome {
        Outcome::Refused(at) => return format!("rejected: `{}`", at.join("`, `")),
        Outcome::Impossible(why) => return why.clone(),
        Outcome::Ran(ran) => ran,
    };
    let verb = |write: &String| {
        let end = write.char_indices().skip(1).find(|(_, letter)| letter.is_uppercase());
        write[..end.map_or(write.len(), |(at, _)| at)].to_owned()
    };
    let said = ran.said.iter().map(|said| match said.strip_prefix("completed: ") {
        Some(reason) => format!("**{reason}**"),
        None if said.starts_with("waiting") => "*hour*".to_owned(),
        None => said.clone(),
    });
    ran.writes.iter().map(verb).chain(said).collect::<Vec<_>>().join(" → ")
}

/// Cells of all types that begin alike and go alike.
struct Row<'a> {
    payer: &'static str,
    granted: &'static str,
    places: String,
    outcomes: Vec<&'a Outcome>,
}

/// An outcome with payers by their part in it, so that those of both can be compared.
fn relative(cell: &Cell, outcome: &Outcome) -> String {
    let goal = cell.goal().unwrap_or(OrderType::PayByCenOwner);
    OrderType::ALL.iter().fold(full(outcome), |text, payer| {
        text.replace(payer.as_str(), if *payer == goal { "the payer asked for" } else { "the other payer" })
    })
}

fn rows<'a>(cases: &[&'a Case], asks: Asks) -> Vec<Row<'a>> {
    type Lines<'a> = Vec<(Granted, Place, Vec<(String, &'a Outcome)>)>;
    let lines = |payer: Option<OrderType>| {
        let mut lines: Lines<'a> = Vec::new();
        for granted in Granted::ALL {
            for place in Place::ALL {
                let here = cases.iter().filter(|case| {
                    let cell = &case.cell;
                    (cell.asks, cell.payer, cell.granted, cell.place) == (asks, payer, granted, place)
                });
                let texts: Vec<_> = here.map(|case| (relative(&case.cell, &case.observed), &case.observed)).collect();
                if !texts.is_empty() {
                    lines.push((granted, place, texts));
                }
            }
        }
        lines
    };
    let texts = |lines: &Lines<'_>| -> Vec<Vec<String>> {
        lines.iter().map(|(_, _, cells)| cells.iter().map(|(text, _)| text.clone()).collect()).collect()
    };
    let [none, one, other] = PAYERS.map(lines);
    let groups = match texts(&one) == texts(&other) {
        true => vec![("none", none), ("either", one)],
        false => vec![("none", none), ("`PayByCenOwner`", one), ("`PayByResourceOwner`", other)],
    };
    let mut rows = Vec::new();
    for (payer, lines) in groups {
        let outcomes = |cells: &[(String, &'a Outcome)]| cells.iter().map(|(_, outcome)| *outcome).collect();
        let same = texts(&lines).windows(2).all(|pair| pair[0] == pair[1]);
        if let (true, Some((_, _, cells))) = (same, lines.first()) {
            rows.push(Row { payer, granted: "any", places: "any".into(), outcomes: outcomes(cells) });
            continue;
        }
        for granted in Granted::ALL {
            let here: Lines<'a> = lines.iter().filter(|(of, _, _)| *of == granted).cloned().collect();
            let mut left: Vec<_> = here.iter().collect();
            while let Some((_, _, cells)) = left.first().copied() {
                let alike = |line: &&&(Granted, Place, Vec<(String, &Outcome)>)| {
                    line.2.iter().zip(cells).all(|((_, one), (_, other))| way(one) == way(other))
                };
                let places: Vec<&str> = left.iter().filter(alike).map(|(_, place, _)| place.name()).collect();
                let places = if places.len() == here.len() { "any".to_owned() } else { places.join("; ") };
                rows.push(Row { payer, granted: granted_name(asks, granted), places, outcomes: outcomes(cells) });
                left.retain(|line| !alike(&line));
            }
        }
    }
    rows
}

/// A revoke asks for no payer, so its two are named.
fn granted_name(asks: Asks, granted: Granted) -> &'static str {
    match (asks, granted) {
        (Asks::Revoke | Asks::RevokeDeleting, Granted::Same) => "with `PayByCenOwner`; a CCN with none",
        (Asks::Revoke | Asks::RevokeDeleting, Granted::Other) => "with `PayByResourceOwner`",
        _ => granted.name(),
    }
}

/// Every ending that has findings, with each of them once.
fn findings(cases: &[Case]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for case in cases {
        let Outcome::Ran(ran) = &case.observed else { continue };
        let found = ran.findings.iter().cloned().chain(ran.granted_to.iter().map(|cen| format!("granted to {cen}")));
        let end = ran.said.last().cloned().unwrap_or_default();
        all.extend(found.map(|found| (end.clone(), found)).filter(|pair| !all.contains(pair)).collect::<Vec<_>>());
    }
    all.sort();
    all.dedup();
    all
}

/// Cells that go another way than by default, and under which settings.
struct Difference {
    settings: Vec<String>,
    asks: Asks,
    granted: Granted,
    places: BTreeSet<Place>,
    kinds: Vec<String>,
    before: String,
    now: String,
}

impl Difference {
    /// Everything but the settings.
    fn same_as(&self, other: &Self) -> bool {
        (self.asks, self.granted, &self.places, &self.kinds, &self.before, &self.now)
            == (other.asks, other.granted, &other.places, &other.kinds, &other.before, &other.now)
    }
}

/// Those of one setting: types and places that differ alike are told together.
fn differing(setting: &Setting, cases: &[&Case], default: &[&Case]) -> Vec<Difference> {
    let mut all: Vec<Difference> = Vec::new();
    for case in cases {
        let cell = &case.cell;
        let before = &default.iter().find(|other| other.cell == *cell).expect("the default has every cell").observed;
        if *before == case.observed {
            continue;
        }
        // What goes the same way says something else.
        let told = if way(before) == way(&case.observed) { full } else { way };
        let (before, now) = (told(before), told(&case.observed));
        let alike =
            |d: &&mut Difference| (d.asks, d.granted, &d.before, &d.now) == (cell.asks, cell.granted, &before, &now);
        match all.iter_mut().find(alike) {
            Some(known) => {
                known.places.insert(cell.place);
                known.kinds.push(cell.of.to_string());
                known.kinds.dedup();
            }
            None => all.push(Difference {
                settings: vec![setting.name.clone()],
                asks: cell.asks,
                granted: cell.granted,
                places: BTreeSet::from([cell.place]),
                kinds: vec![cell.of.to_string()],
                before,
                now,
            }),
        }
    }
    all
}

fn differences<'a>(settings: &[Setting], of: &impl Fn(usize) -> Vec<&'a Case>) -> String {
    let mut page = "\n## What differs where the vendor's documents are silent\n\nThe tables above show the default switches \
                    of the simulated cloud, which `examples/world.toml` lists. These cells differ under other switches:\n\n\
                    | switches | job | granted | attached | types | default | now |\n|---|---|---|---|---|---|---|\n"
        .to_owned();
    let default = of(0);
    let (mut same, mut all) = (Vec::new(), Vec::<Difference>::new());
    for (n, setting) in settings.iter().enumerate().skip(1) {
        let here = differing(setting, &of(n), &default);
        if here.is_empty() {
            same.push(format!("- {}\n", setting.name));
        }
        for difference in here {
            match all.iter_mut().find(|known| known.same_as(&difference)) {
                Some(known) => known.settings.extend(difference.settings),
                None => all.push(difference),
            }
        }
    }
    for d in &all {
        let places: Vec<&str> = d.places.iter().map(|place| place.name()).collect();
        let (settings, granted) = (d.settings.join("<br>"), granted_name(d.asks, d.granted));
        let (asks, places, kinds) = (d.asks.name(), places.join("; "), d.kinds.join(", "));
        writeln!(page, "| {settings} | {asks} | {granted} | {places} | {kinds} | {} | {} |", d.before, d.now).unwrap();
    }
    page.push_str("\nUnder these switches every cell is the same as by default:\n\n");
    page.extend(same);
    page
}

fn counts(settings: &[Setting], cases: &[Case], default: &[&Case]) -> String {
    let ran = default.iter().filter(|case| matches!(case.observed, Outcome::Ran(_))).count();
    let rejected = default.iter().filter(|case| matches!(case.observed, Outcome::Refused(_))).count();
    format!(
        "\n## How many\n\n{} cells by default: {ran} ran, the contract rejects {rejected}, and {} cannot occur. {} cells under \
         {} settings.\n",
        default.len(),
        default.len() - ran - rejected,
        cases.len(),
        settings.len()
    )
}
