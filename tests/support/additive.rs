//! Whether a schema differs from an older one by additions only.
//!
//! What the program writes is read by programs that know the older schema, so each document by the newer one must fit the older.
//! What the program takes is written by them, so each document by the older must fit the newer.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Which way documents go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The program writes them.
    Out,
    /// The program takes them.
    In,
}

/// Everything that is more than an addition.
pub fn breaks(old: &Value, new: &Value, way: Way) -> Vec<String> {
    let mut comparison = Comparison { old, new, way, seen: BTreeSet::new(), breaks: Vec::new() };
    comparison.schemas(old, new, "");
    comparison.breaks
}

struct Comparison<'a> {
    old: &'a Value,
    new: &'a Value,
    way: Way,
    /// The pairs of references that were followed.
    seen: BTreeSet<(String, String)>,
    breaks: Vec<String>,
}

impl<'a> Comparison<'a> {
    fn says(&mut self, at: &str, what: impl std::fmt::Display) {
        self.breaks.push(format!("{at}: {what}"));
    }

    fn schemas(&mut self, old: &'a Value, new: &'a Value, at: &str) {
        if let (Some(from), Some(to)) = (old["$ref"].as_str(), new["$ref"].as_str()) {
            if self.seen.insert((from.to_owned(), to.to_owned())) {
                let (old, new) = (followed(self.old, from), followed(self.new, to));
                self.schemas(old, new, at);
            }
            return;
        }
        let (old, new) = (resolved(self.old, old), resolved(self.new, new));
        let (Value::Object(was), Value::Object(is)) = (old, new) else {
            if old != new {
                self.says(at, format_args!("{old} became {new}"));
            }
            return;
        };
        self.types(was, is, at);
        self.words(was, is, at);
        self.limits(was, is, at);
        self.fields(was, is, at);
        for key in ["items", "propertyNames", "additionalProperties"] {
            if let (Some(was), Some(is)) =
                (was.get(key).filter(|v| v.is_object()), is.get(key).filter(|v| v.is_object()))
            {
                self.schemas(was, is, &format!("{at}/{key}"));
            }
        }
        for key in ["anyOf", "oneOf"] {
            self.alternatives(was.get(key), is.get(key), &format!("{at}/{key}"));
        }
        self.conditions(was, is, at);
    }

    fn types(&mut self, was: &Map<String, Value>, is: &Map<String, Value>, at: &str) {
        let (was, is) = (list(was.get("type")), list(is.get("type")));
        // `number` takes whole numbers as well, and no type takes all.
        let within = |few: &[&Value], many: &[&Value]| {
            many.is_empty() || !few.is_empty() && few.iter().all(|one| many.contains(one))
        };
        let good = if self.way == Way::Out { within(&is, &was) } else { within(&was, &is) };
        if !good {
            self.says(at, format_args!("type {was:?} became {is:?}"));
        }
    }

    /// Words are added to closed lists; receivers have to take unknown ones.
    fn words(&mut self, was: &Map<String, Value>, is: &Map<String, Value>, at: &str) {
        let gone = list(was.get("enum")).into_iter().filter(|word| !list(is.get("enum")).contains(word));
        let gone: Vec<&Value> = gone.collect();
        let no_list = self.way == Way::In && is.get("enum").is_none();
        let new_list = self.way == Way::In && was.get("enum").is_none() && is.get("enum").is_some();
        if (!gone.is_empty() && !no_list) || new_list {
            self.says(at, format_args!("the words {gone:?} are gone, or a list is new"));
        }
        if was.get("const") != is.get("const") {
            self.says(at, format_args!("const {:?} became {:?}", was.get("const"), is.get("const")));
        }
    }

    fn limits(&mut self, was: &Map<String, Value>, is: &Map<String, Value>, at: &str) {
        for key in ["pattern", "format"] {
            let (was, is) = (was.get(key), is.get(key));
            let fewer = was.is_none() && self.way == Way::Out || is.is_none() && self.way == Way::In;
            if was != is && !fewer {
                self.says(at, format_args!("{key} {was:?} became {is:?}"));
            }
        }
        for (key, is_most) in [
            ("maxLength", true),
            ("maxItems", true),
            ("maxProperties", true),
            ("maximum", true),
            ("minLength", false),
            ("minItems", false),
            ("minProperties", false),
            ("minimum", false),
        ] {
            let without = if is_most { f64::INFINITY } else { f64::NEG_INFINITY };
            let limit = |schema: &Map<String, Value>| schema.get(key).map_or(without, |limit| limit.as_f64().unwrap());
            let (was, is) = (limit(was), limit(is));
            let wider = if is_most { is >= was } else { is <= was };
            if was != is && wider != (self.way == Way::In) {
                self.says(at, format_args!("{key} {was} became {is}"));
            }
        }
    }

    fn fields(&mut self, was: &'a Map<String, Value>, is: &'a Map<String, Value>, at: &str) {
        let (needed, needs) = (list(was.get("required")), list(is.get("required")));
        let missing: Vec<&Value> = match self.way {
            Way::Out => needed.into_iter().filter(|name| !needs.contains(name)).collect(),
            Way::In => needs.into_iter().filter(|name| !needed.contains(name)).collect(),
        };
        if !missing.is_empty() {
            self.says(at, format_args!("the required fields differ by {missing:?}"));
        }
        let nothing = Map::new();
        let fields = |schema: &'a Map<String, Value>| schema.get("properties").and_then(Value::as_object);
        let (old, new) = (fields(was), fields(is));
        for (name, schema) in old.into_iter().flatten() {
            match new.and_then(|new| new.get(name)) {
                Some(newer) => self.schemas(schema, newer, &format!("{at}/{name}")),
                None => self.says(at, format_args!("the field {name} is gone")),
            }
        }
        let closed = |schema: &Map<String, Value>| schema.get("additionalProperties") == Some(&Value::Bool(false));
        let more = new.unwrap_or(&nothing).keys().any(|name| !old.unwrap_or(&nothing).contains_key(name));
        if (self.way == Way::Out && closed(was) && (more || !closed(is)))
            || (self.way == Way::In && closed(is) && !closed(was))
        {
            self.says(at, "fields that the older schema refuses, or that the newer one refuses first");
        }
    }

    fn alternatives(&mut self, was: Option<&'a Value>, is: Option<&'a Value>, at: &str) {
        let (was, is) = (list(was), list(is));
        let good = match self.way {
            _ if was.is_empty() || is.is_empty() => was.len() == is.len(),
            Way::Out => is.len() <= was.len(),
            Way::In => is.len() >= was.len(),
        };
        if !good {
            self.says(at, format_args!("{} alternatives became {}", was.len(), is.len()));
        }
        for (was, is) in was.into_iter().zip(is) {
            self.schemas(was, is, at);
        }
    }

    /// A condition is a further restriction, wherever it stands; two that differ are not compared.
    fn conditions(&mut self, was: &Map<String, Value>, is: &Map<String, Value>, at: &str) {
        let all = |schema: &Map<String, Value>| {
            let alone = ["not", "if", "then", "else"].into_iter().filter_map(|key| schema.get(key).cloned());
            list(schema.get("allOf")).into_iter().cloned().chain(alone).collect::<Vec<_>>()
        };
        let (was, is) = (all(was), all(is));
        let (fewer, more) = if self.way == Way::Out { (was, is) } else { (is, was) };
        for condition in fewer.iter().filter(|condition| !more.contains(condition)) {
            self.says(at, format_args!("a condition is not in both: {condition}"));
        }
    }
}

fn list(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None => vec![],
        Some(Value::Array(items)) => items.iter().collect(),
        Some(one) => vec![one],
    }
}

fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    schema["$ref"].as_str().map_or(schema, |reference| followed(root, reference))
}

fn followed<'a>(root: &'a Value, reference: &str) -> &'a Value {
    root.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference} leads nowhere"))
}
