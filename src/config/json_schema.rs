//! The configuration file as a JSON Schema (2020-12), for editors and for checks before a worker has it: which keys there are,
//! and what form each value has. What has to go together, and files that are named, only the worker checks.

use serde_json::{Map, Value, json};

use super::bounds::{MOST_CALLS, MOST_CONCURRENCY, MOST_KEYS, MOST_LIMIT, MOST_PREFETCH};
use super::schema::{self, ACCOUNTS, ALLOW, HUB, LISTS, RECEIVERS, REQUESTERS, TOKENS};
use super::settings::LogFormat;
use crate::admin::AdminRole;
use crate::broker::BrokerKind;
use crate::domain::{AccountUid, CenId, Kind, OrderType, Site};

/// The whole file.
pub fn json_schema() -> Value {
    let mut root = section("");
    root["title"] = "crossgrant.toml".into();
    root["description"] = "The configuration of a worker. deploy/crossgrant.toml explains every key.".into();
    root["properties"][ACCOUNTS] = json!({
        "type": "object",
        "propertyNames": {"pattern": AccountUid::PATTERN},
        "additionalProperties": table(schema::account_keys().map(|key| (key, form(ACCOUNTS, key)))),
    });
    root["properties"][ALLOW] = json!({"type": "array", "items": element(ALLOW, schema::ALLOW_KEYS, &["requesters"])});
    root
}

/// A table with the tables and lists inside of it.
fn section(path: &str) -> Value {
    let keys = schema::keys_of(path).iter().map(|key| (*key, form(path, key)));
    let mut table = table(keys);
    for name in schema::subsections(path) {
        let inner = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        table["properties"][name] = section(&inner);
    }
    for (list, keys, required) in LISTS.iter().filter(|(list, ..)| parent(list) == path) {
        let name = &list[path.len() + 1..];
        let elements = json!({"type": "array", "items": element(list, keys, required)});
        table["properties"][name] = match table["properties"].get(name) {
            Some(key) => json!({"anyOf": [key, elements]}),
            None => elements,
        };
    }
    table
}

fn parent(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

fn element(list: &str, keys: &[&'static str], required: &[&str]) -> Value {
    let mut table = table(keys.iter().map(|key| (*key, form(list, key))));
    table["required"] = json!(required);
    table
}

fn table(keys: impl Iterator<Item = (&'static str, Value)>) -> Value {
    let properties: Map<String, Value> = keys.map(|(key, form)| (key.to_owned(), form)).collect();
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

/// The form of the value of a key.
fn form(section: &str, key: &str) -> Value {
    let text = || json!({"type": "string", "pattern": "\\S"});
    let texts = || json!({"anyOf": [text(), {"type": "array", "items": text()}]});
    let strings = || json!({"type": "array", "items": {"type": "string"}});
    let number = |most: u64| json!({"type": "integer", "minimum": 1, "maximum": most});
    // What is true or false may stand in quotes, as it does in the environment.
    let flag = || json!({"enum": [true, false, "true", "false"]});
    let secrets = |most: Option<u64>| {
        let mut list = json!({"type": "array", "items": {"type": "string"}, "minItems": 1});
        if let Some(most) = most {
            list["maxItems"] = most.into();
        }
        json!({"anyOf": [text(), list]})
    };
    let duration = || json!({"type": "string", "description": "A duration, such as \"20s\" or \"1h 30m\"."});
    let words = |words: &[&str]| json!({"type": "string", "enum": words});
    match (section, key) {
        ("", "hour")
        | ("store", "keep")
        | ("broker", "redelivery" | "hold")
        | ("worker", "drain")
        | ("webhook", "give_up")
        | (HUB | ACCOUNTS, "session_length") => duration(),
        ("broker", "kind") => words(&BrokerKind::ALL.map(BrokerKind::as_str)),
        ("broker", "prefix") => json!({"type": "string", "pattern": "\\S", "maxLength": 100}),
        ("broker", "prefetch") => number(MOST_PREFETCH),
        ("worker", "concurrency") => number(MOST_CONCURRENCY),
        ("cloud.budget", _) | ("cloud.budget.operations", _) => number(MOST_CALLS),
        ("limits", _) => {
            json!({"anyOf": [{"const": "none"}, {"type": "integer", "minimum": 0, "maximum": MOST_LIMIT}]})
        }
        ("broker", "declare")
        | ("cloud", "plain_http")
        | ("admin", "page" | "https")
        | ("approval", "two_persons")
        | (ACCOUNTS, "hub") => flag(),
        ("admin", "hosts") | (TOKENS, "requesters") | ("webhook", "networks") => texts(),
        ("broker", "url") | (REQUESTERS | "door", "key") => secrets(None),
        ("webhook" | RECEIVERS, "secret") => secrets(Some(MOST_KEYS as u64)),
        ("store", "url" | "password")
        | (TOKENS, "token")
        | (HUB | ACCOUNTS, "access_key_secret" | "security_token") => secrets(Some(1)),
        ("trace", "ratio") => json!({"type": "number", "minimum": 0, "maximum": 1}),
        ("trace", "endpoint") => {
            json!({"type": "string", "pattern": "^\\s*https?://", "description": "A URL: http or https."})
        }
        ("log", "format") => words(&LogFormat::WORDS.map(|(word, _)| word)),
        (TOKENS, "role") => words(&AdminRole::ALL.map(AdminRole::as_str)),
        ("events", "installation") | (TOKENS, "name") => {
            json!({"type": "string", "pattern": "^[A-Za-z0-9._-]+$", "maxLength": 64})
        }
        (ACCOUNTS, "site") => words(&Site::ALL.map(Site::as_str)),
        (HUB | ACCOUNTS, "ecs_role") => json!({"anyOf": [text(), {"const": true}]}),
        (ALLOW, "kinds") => json!({"type": "array", "items": words(&Kind::ALL.map(Kind::as_str))}),
        (ALLOW, "order_types") => json!({"type": "array", "items": words(&OrderType::ALL.map(OrderType::as_str))}),
        (ALLOW, "resource_accounts") => {
            json!({"type": "array", "items": {"type": "string", "pattern": AccountUid::PATTERN}})
        }
        (ALLOW, "cens") => json!({"type": "array", "items": {"type": "string", "pattern": CenId::PATTERN}}),
        (ALLOW, _) => strings(),
        _ => text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::SECTIONS;

    #[test]
    fn every_key_of_the_reader_is_in_the_schema_and_no_other() {
        let schema = json_schema();
        for (section, keys) in SECTIONS {
            let path = section.split('.').filter(|part| !part.is_empty());
            let table = path.fold(&schema, |table, part| &table["properties"][part]);
            let known: Vec<&String> = table["properties"].as_object().unwrap().keys().collect();
            for key in *keys {
                assert!(known.contains(&&(*key).to_owned()), "{section} {key}");
            }
            assert_eq!(table["additionalProperties"], false, "{section}");
        }
    }
}
