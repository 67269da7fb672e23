//! Schemas of types, tidied: without what is only of use in the source, or to one generator of code.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};

use crate::domain::schema_uri;

/// The dialect of every schema.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A generator of schemas of what the program writes, with the shared ones under `definitions`, a JSON Pointer.
pub(super) fn generator(definitions: &str) -> SchemaGenerator {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = definitions.to_owned().into());
    settings.for_serialize().into_generator()
}

/// The schema of what the program writes as a `T`, under a name.
pub(super) fn of<T: JsonSchema>(name: &str) -> Value {
    named(name, generator("/$defs").into_root_schema_for::<T>().to_value())
}

/// A schema with its URI.
pub(super) fn named(name: &str, mut schema: Value) -> Value {
    tidy(&mut schema);
    if let Some(Value::Object(definitions)) = schema.get_mut("$defs") {
        leave_open(definitions);
    }
    schema["$schema"] = DIALECT.into();
    schema["$id"] = schema_uri(name).into();
    schema
}

/// Makes texts of the source readable without it, and takes out formats that JSON Schema does not know.
pub(super) fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = plain(text);
            }
            if let Some(Value::String(format)) = fields.get("format")
                && !["date-time", "uuid"].contains(&format.as_str())
            {
                fields.remove("format");
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// A comment of the source as a text: on one line, and links as what they show.
fn plain(comment: &str) -> String {
    let text = comment.split_whitespace().collect::<Vec<_>>().join(" ");
    let (mut plain, mut rest) = (String::new(), text.as_str());
    while let Some((before, link)) = rest.split_once("[`") {
        let Some((shown, after)) = link.split_once("`]") else { break };
        plain.push_str(&format!("{before}`{shown}`"));
        let target = after.strip_prefix('(').and_then(|target| target.split_once(')'));
        rest = target.map_or(after, |(_, rest)| rest);
    }
    // What has no value is null in JSON, or is not there.
    (plain + rest).replace("`None`", "null or absent")
}

/// Enumerations of what the program writes that a later version can add words to.
const OPEN: [&str; 4] = ["Code", "Operation", "Reason", "State"];
const MORE: &str = " A later version can have more words: take one that you do not know as one that needs a person.";

/// Says of such enumerations what to do with a word that is not in them.
pub(super) fn leave_open(definitions: &mut Map<String, Value>) {
    for name in OPEN {
        if let Some(Value::String(text)) = definitions.get_mut(name).and_then(|words| words.get_mut("description"))
            && !text.ends_with(MORE)
        {
            text.push_str(MORE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_there_can_be_more_words_is_said_once() {
        let mut definitions = Map::new();
        definitions.insert("State".into(), serde_json::json!({"description": "Where a job is."}));
        leave_open(&mut definitions);
        leave_open(&mut definitions);
        assert_eq!(definitions["State"]["description"], format!("Where a job is.{MORE}"));
    }

    #[test]
    fn a_comment_reads_without_the_source() {
        assert_eq!(plain("As [`X`] has\nit, see [`y`](crate::y)."), "As `X` has it, see `y`.");
        assert_eq!(plain("open [`x"), "open [`x");
        assert_eq!(plain("Its end; `None` if it has none."), "Its end; null or absent if it has none.");
    }
}
