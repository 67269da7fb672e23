//! The rules of each type of instance, as they were observed: every type is asked for everything, and what the events and
//! the ledger of the simulated cloud say of it makes the cells of the table. Which rules there should be is said only to
//! compare it with.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{CEN, CEN_OWNER, RESOURCE, end, kind};

const NEW: &str = "PayByResourceOwner";
/// The second CEN of the same owner, to which something may be attached already.
const ELSEWHERE: (&str, &str) = ("cen-44m0p68spvlrqq0003", "tr-bp1su1ytdxtataupl0003");
/// What each type is called, how its ids begin, and where its instances are.
const TYPES: [(&str, &str, &str); 5] = [
    ("VPC", "vpc", "cn-hangzhou"),
    ("VBR", "vbr", "cn-hangzhou"),
    ("VPN", "vco", "cn-hangzhou"),
    ("ECR", "ecr", "cn-hangzhou"),
    ("CCN", "ccn", "cn-shanghai"),
];
/// What is asked of each type: the name of the job, its kind, and how its instance stands before.
const QUESTIONS: [(&str, &str, Stands); 6] = [
    ("unapproved", "grant", Stands::NotGranted),
    ("elsewhere", "grant", Stands::AttachedElsewhere),
    ("paid", "grant", Stands::NotGranted),
    ("revoke", "revoke", Stands::Granted),
    ("attached", "payer-change", Stands::Attached),
    ("unattached", "payer-change", Stands::Granted),
];
/// Of these the first is asked while the vendor has approved no VBR.
pub const BEFORE_APPROVAL: &str = "unapproved";

/// The table as it should be (design §4).
const RULES: [(&str, [&str; 5]); 5] = [
    ("grant / revoke through", ["Cbn", "Cbn (ExpressConnect)", "Cbn", "Cbn", "Smartag"]),
    ("payer at grant", ["✔", "✔", "✔", "✔", "refused"]),
    ("payer change, attached", ["✔", "✔", "✔", "refused", "refused"]),
    ("payer change, not attached", ["revoke + grant", "revoke + grant", "revoke + grant", "revoke + grant", "refused"]),
    ("extra before a grant", ["", "vendor approval", "attached to nothing", "", ""]),
];

#[derive(Clone, Copy, PartialEq)]
enum Stands {
    NotGranted,
    Granted,
    Attached,
    AttachedElsewhere,
}

/// A job that asks for one thing of one type.
pub struct Question {
    /// `<type>/<what>`.
    pub id: String,
    pub kind: &'static str,
    pub body: String,
}

fn instance(prefix: &str, question: &str) -> String {
    format!("{prefix}-rules0{question}0")
}

/// Every question about every type.
pub fn questions() -> Vec<Question> {
    let mut questions = Vec::new();
    for (word, prefix, region) in TYPES {
        for (name, kind, _) in QUESTIONS {
            let id = format!("{word}/{name}");
            let mut job = json!({
                "id": id, "kind": kind,
                "instance": {"type": word, "id": instance(prefix, name), "region": region, "owner": RESOURCE},
                "cen": {"id": CEN, "owner": CEN_OWNER},
            });
            if name == "paid" || kind == "payer-change" {
                job["order_type"] = json!(NEW);
            }
            questions.push(Question { id, kind, body: job.to_string() });
        }
    }
    questions
}

/// What the world needs for them, after what it has.
pub fn world() -> String {
    let (cen, router) = ELSEWHERE;
    let mut world = format!(
        "\n[[cens]]\nid = {cen:?}\nowner = {CEN_OWNER:?}\n\
         transit_routers = [{{ id = {router:?}, region = \"cn-hangzhou\" }}]\n"
    );
    for (word, prefix, region) in TYPES {
        for (name, _, stands) in QUESTIONS {
            let id = instance(prefix, name);
            world +=
                &format!("\n[[instances]]\ntype = {word:?}\nid = {id:?}\nregion = {region:?}\nowner = {RESOURCE:?}\n");
            let (granted, attached) = match stands {
                Stands::NotGranted => (None, None),
                Stands::Granted => (Some(CEN), None),
                Stands::Attached => (Some(CEN), Some("tr-bp1su1ytdxtataupl0001")),
                Stands::AttachedElsewhere => (Some(cen), Some(router)),
            };
            if let Some(cen) = granted {
                world += &format!("\n[[grants]]\ncen = {cen:?}\ninstance = {id:?}\n");
            }
            if let Some(router) = attached {
                let attachment = format!("tr-attach-rules0{prefix}0{name}");
                world += &format!(
                    "\n[[attachments]]\nid = {attachment:?}\ntransit_router = {router:?}\ninstance = {id:?}\n"
                );
            }
        }
    }
    world
}

/// Prints the table as it was observed.
///
/// # Errors
/// When it is not as it should be.
pub fn table(said: &BTreeMap<String, Vec<Value>>, ledger: &[Value]) -> Result<()> {
    let seen = Seen { said, ledger };
    let observed: Vec<(&str, Vec<String>)> = vec![
        (RULES[0].0, TYPES.map(|(word, prefix, _)| seen.through(word, prefix)).to_vec()),
        (RULES[1].0, TYPES.map(|(word, prefix, _)| seen.paid(word, prefix)).to_vec()),
        (RULES[2].0, TYPES.map(|(word, prefix, _)| seen.changed(word, prefix, "attached")).to_vec()),
        (RULES[3].0, TYPES.map(|(word, prefix, _)| seen.changed(word, prefix, "unattached")).to_vec()),
        (RULES[4].0, TYPES.map(|(word, _, _)| seen.extra(word)).to_vec()),
    ];
    let heads = TYPES.map(|(word, ..)| word.to_owned()).to_vec();
    let rows: Vec<(&str, &Vec<String>)> =
        [("", &heads)].into_iter().chain(observed.iter().map(|(name, cells)| (*name, cells))).collect();
    let width = |column: usize| rows.iter().map(|(_, cells)| cells[column].chars().count()).max().unwrap_or(0);
    let (first, widths) =
        (RULES.map(|(name, _)| name.len()).into_iter().max().unwrap_or(0), [0, 1, 2, 3, 4].map(width));
    println!();
    for (name, cells) in &rows {
        let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        println!("{}", format!("{name:<first$}  {}", cells.collect::<Vec<_>>().join("  ")).trim_end());
        if name.is_empty() {
            let lines = std::iter::once(first).chain(widths).map(|width| "─".repeat(width));
            println!("{}", lines.collect::<Vec<_>>().join("  "));
        }
    }
    for ((name, cells), (_, rule)) in observed.iter().zip(RULES) {
        ensure!(*cells == rule, "the rule of \"{name}\" is {rule:?}, and was observed as {cells:?}");
    }
    Ok(())
}

/// What was observed.
struct Seen<'a> {
    said: &'a BTreeMap<String, Vec<Value>>,
    ledger: &'a [Value],
}

impl Seen<'_> {
    /// The end of a job, and its reason; of a rejected message, the code of its first fault.
    fn end(&self, word: &str, question: &str) -> Option<(&str, &str)> {
        let event = end(self.said, &format!("{word}/{question}"))?;
        let data = &event["data"];
        let fault = data["faults"][0]["code"].as_str();
        Some((kind(event), fault.or(data["reason"].as_str())?))
    }

    /// The effects that the worker had on an instance.
    fn effects(&self, prefix: &str, question: &str) -> impl Iterator<Item = &Value> {
        let id = instance(prefix, question);
        self.ledger.iter().filter(move |entry| entry["instance"] == *id && entry["account"].is_string())
    }

    fn operations(&self, prefix: &str, question: &str) -> Vec<&str> {
        self.effects(prefix, question).filter_map(|entry| entry["operation"].as_str()).collect()
    }

    fn otherwise(&self, word: &str, question: &str) -> String {
        match self.end(word, question) {
            // What the contract or a look finds impossible, before anything is written.
            Some(("rejected", "job-no-payer") | ("failed", "payer-not-changeable")) => "refused".into(),
            Some((ends, reason)) => format!("{ends}: {reason}"),
            None => "?".into(),
        }
    }

    /// The product that granted one instance and revoked another, and what the type is called there.
    fn through(&self, word: &str, prefix: &str) -> String {
        let questions = QUESTIONS.iter().filter(|(_, kind, _)| *kind != "payer-change").map(|(name, ..)| *name);
        let entries: Vec<&Value> = questions.flat_map(|question| self.effects(prefix, question)).collect();
        for begins in ["Grant", "Revoke"] {
            let does = |entry: &&&Value| entry["operation"].as_str().is_some_and(|name| name.starts_with(begins));
            if entries.iter().find(does).is_none() {
                return format!("no {begins}");
            }
        }
        let names = entries.iter().map(|entry| {
            let product = entry["product"].as_str().unwrap_or("?");
            match entry["instance_type"].as_str().filter(|sent| *sent != word) {
                Some(sent) => format!("{product} ({sent})"),
                None => product.to_owned(),
            }
        });
        names.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
    }

    /// Whether it was granted with another payer than the usual one.
    fn paid(&self, word: &str, prefix: &str) -> String {
        let paid = self.effects(prefix, "paid").any(|entry| entry["order_type"] == NEW);
        let after = end(self.said, &format!("{word}/paid")).map(|event| &event["data"]["after"]["order_type"]);
        let shown = after.is_some_and(|order_type| order_type == NEW);
        if paid && shown && self.end(word, "paid") == Some(("completed", "done")) {
            return "✔".into();
        }
        self.otherwise(word, "paid")
    }

    /// By which writes a payer was changed, once it was in force.
    fn changed(&self, word: &str, prefix: &str, question: &str) -> String {
        if self.end(word, question) != Some(("completed", "done")) {
            return self.otherwise(word, question);
        }
        let operations = self.operations(prefix, question);
        match operations[..] {
            ["RevokeInstanceFromTransitRouter", "GrantInstanceToTransitRouter"] => "revoke + grant".into(),
            ["ModifyGrantInstanceToTransitRouter", update] if update.starts_with("UpdateTransitRouter") => "✔".into(),
            _ => operations.join(" + "),
        }
    }

    /// What kept an instance from being granted that could be otherwise.
    fn extra(&self, word: &str) -> String {
        let mut extra = Vec::new();
        for (question, name, sign) in [
            (BEFORE_APPROVAL, "vendor approval", "only after the vendor has approved it"),
            ("elsewhere", "attached to nothing", "only while it is attached to nothing"),
        ] {
            match self.end(word, question) {
                Some(("completed", "done")) => {}
                Some(_) => {
                    let event = end(self.said, &format!("{word}/{question}")).map(|event| event["data"].to_string());
                    let told = event.is_some_and(|text| text.contains(sign));
                    extra.push(if told { name.to_owned() } else { self.otherwise(word, question) });
                }
                None => extra.push("?".into()),
            }
        }
        extra.join(", ")
    }
}

/// The ledger, from the answer of the simulated cloud.
pub fn ledger(body: &str) -> Result<Vec<Value>> {
    serde_json::from_str(body).context("the ledger cannot be read")
}
