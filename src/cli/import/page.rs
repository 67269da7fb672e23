//! The resources of a state as text for people, and as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::known::Jobs;
use super::owned::{Listed, Owned, Part};
use super::shown::{Payers, Shown};
use super::state::StateFormat;
use super::verdict::{Verdict, Word};
use crate::domain::OrderType;

/// A resource of the state, what is known of it, and what to do.
pub(super) struct Row {
    pub listed: Listed,
    pub shown: Shown,
    pub jobs: Jobs,
    pub verdict: Verdict,
}

impl Row {
    /// Whether everything that was asked about it was answered.
    pub fn is_whole(&self) -> bool {
        self.listed.owned.is_ok() && !matches!(self.shown, Shown::Unknown(_)) && !matches!(self.jobs, Jobs::Unknown(_))
    }
}

/// The table, what to do for each verdict, and how many there are.
pub(super) fn page(rows: &[Row], format: StateFormat) -> Vec<String> {
    let mut lines = table(rows);
    let mut by_word: BTreeMap<Word, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        by_word.entry(row.verdict.word).or_default().push(row);
    }
    for (word, rows) in &by_word {
        lines.push(String::new());
        lines.push(format!("{word}: {}", word.advice()));
        for verdict in rows.iter().map(|row| &row.verdict) {
            lines.extend(verdict.commands.iter().map(|command| format!("  {command}")));
        }
        let mut shown: Vec<&str> = rows.iter().map(|row| row.verdict.configuration.as_str()).collect();
        shown.sort_unstable();
        shown.dedup();
        lines.extend(shown.into_iter().flat_map(str::lines).map(|line| format!("  {line}")));
    }
    if !rows.is_empty() {
        lines.push(String::new());
    }
    let counts = by_word.iter().map(|(word, rows)| format!("{} {word}", rows.len())).collect::<Vec<_>>();
    let counts = if counts.is_empty() { "no grant and no attachment".to_owned() } else { counts.join(", ") };
    lines.push(format!("{counts}, in a {format}. Nothing was changed."));
    lines
}

/// One row for each resource, under a heading.
fn table(rows: &[Row]) -> Vec<String> {
    if rows.is_empty() {
        return vec![];
    }
    let heading =
        ["VERDICT", "ADDRESS", "INSTANCE", "OWNER", "CEN", "OWNER", "STATE", "CLOUD", "JOBS", "WHY"].map(str::to_owned);
    let rows: Vec<[String; 10]> = std::iter::once(heading).chain(rows.iter().map(cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..9).map(width).collect();
    let line = |row: &[String; 10]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  "));
        (cells.collect::<String>() + &row[9]).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn cells(row: &Row) -> [String; 10] {
    let Row { listed, shown, jobs, verdict } = row;
    let owned = listed.owned.as_ref().ok();
    let of = |cell: &dyn Fn(&Owned) -> String| owned.map_or_else(|| "?".to_owned(), cell);
    [
        verdict.word.to_string(),
        listed.address.clone(),
        of(&|owned| owned.instance.to_string()),
        of(&|owned| owner(owned, shown).unwrap_or_else(|| "?".into())),
        of(&|owned| owned.cen.to_string()),
        of(&|owned| owned.cen_owner.as_ref().map_or_else(|| "?".into(), ToString::to_string)),
        of(&|owned| payer(owned.order_type)),
        cloud(shown),
        match jobs {
            Jobs::Known(known) if known.count == 0 => "none".into(),
            Jobs::Known(known) => format!("{}, newest {}", known.count, known.newest.as_deref().unwrap_or_default()),
            Jobs::Unknown(_) => "unknown".into(),
        },
        verdict.why.clone(),
    ]
}

fn payer(order_type: Option<OrderType>) -> String {
    order_type.map_or_else(|| "-".to_owned(), |order_type| order_type.to_string())
}

fn cloud(shown: &Shown) -> String {
    match shown {
        Shown::There(Payers { order_type: Some(written), effective_order_type: Some(billed), .. })
            if written != billed =>
        {
            format!("{written}, in force {billed}")
        }
        Shown::There(payers) => payer(payers.order_type),
        Shown::Absent => "not there".into(),
        Shown::NotAsked => "not asked".into(),
        Shown::Unknown(_) => "unknown".into(),
    }
}

/// The owner of the instance: as the cloud shows it, else as the state tells it.
fn owner(owned: &Owned, shown: &Shown) -> Option<String> {
    let seen = match shown {
        Shown::There(payers) => payers.owner.as_ref(),
        _ => None,
    };
    seen.or(owned.instance_owner.as_ref()).map(ToString::to_string)
}

/// A resource as JSON.
pub(super) fn object(row: &Row, format: StateFormat) -> Value {
    let Row { listed, shown, jobs, verdict } = row;
    let mut object = json!({
        "state": match format { StateFormat::File => "file", StateFormat::Shown => "show" },
        "address": listed.address,
        "resource": listed.resource,
        "verdict": verdict.word,
        "why": verdict.why,
        "advice": verdict.word.advice(),
        "commands": verdict.commands,
        "configuration": verdict.configuration,
    });
    let Ok(owned) = &listed.owned else { return object };
    object["part"] = json!(owned.part.as_str());
    object["instance"] = instance(owned, shown);
    object["cen"] = json!({"id": owned.cen, "owner": owned.cen_owner});
    object["order_type"] = json!(owned.order_type);
    object["cloud"] = match shown {
        Shown::There(payers) => json!({
            "there": true, "order_type": payers.order_type, "effective_order_type": payers.effective_order_type,
        }),
        Shown::Absent => json!({"there": false}),
        Shown::NotAsked => Value::Null,
        Shown::Unknown(why) => json!({"unknown": why}),
    };
    object["jobs"] = match jobs {
        Jobs::Known(known) => json!(known),
        Jobs::Unknown(why) => json!({"unknown": why}),
    };
    object["job"] = job(owned, shown, verdict.word).unwrap_or_default();
    object
}

fn instance(owned: &Owned, shown: &Shown) -> Value {
    let region = match shown {
        Shown::There(payers) => payers.region.as_ref(),
        _ => None,
    };
    json!({
        "type": owned.kind, "id": owned.instance, "region": region.or(owned.region.as_ref()), "owner": owner(owned, shown),
    })
}

/// The job by which a worker takes the grant over as it is: it finds what it is asked for, and writes nothing.
fn job(owned: &Owned, shown: &Shown, word: Word) -> Option<Value> {
    let Shown::There(payers) = shown else { return None };
    let is_grant = matches!(owned.part, Part::Grant { .. }) && matches!(word, Word::TakeOver | Word::Differs);
    let instance = instance(owned, shown);
    if !is_grant || instance["region"].is_null() || instance["owner"].is_null() {
        return None;
    }
    let mut job = json!({
        "id": format!("terraform/{}/{}", owned.instance, owned.cen),
        "kind": "grant",
        "instance": instance,
        "cen": {"id": owned.cen, "owner": owned.cen_owner},
    });
    if let Some(order_type) = payers.order_type {
        job["order_type"] = json!(order_type);
    }
    Some(job)
}
