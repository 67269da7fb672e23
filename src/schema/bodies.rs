//! The bodies that a simulated cloud takes, as tables for people, made of the schemas of their types.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use crate::simulator::{FaultKind, InjectedFault, OutsideChange};

/// What the bodies of `/_sim/faults` and `/_sim/do` may be.
pub(super) fn bodies() -> String {
    let mut page = String::from(
        "### Faults\n\nA fault has these fields; those with a `?` can be left out.\n\n| Field | |\n|---|---|\n",
    );
    for (name, says) in fields(&schema::<InjectedFault>()) {
        page.push_str(&format!("| `{name}` | {says} |\n"));
    }
    page.push_str("\nIts `kind` is one of these.\n\n");
    page.push_str(&variants(&schema::<FaultKind>()));
    page.push_str("\n### Changes\n\nThe body of `/_sim/do` is one of these.\n\n");
    page.push_str(&variants(&schema::<OutsideChange>()));
    page
}

fn schema<T: JsonSchema>() -> Value {
    json!(schemars::schema_for!(T))
}

/// One row for each variant: how it is written, and what it does, with its fields.
fn variants(schema: &Value) -> String {
    let mut rows = String::from("| JSON | |\n|---|---|\n");
    for variant in schema["oneOf"].as_array().into_iter().flatten() {
        let says = one_line(&variant["description"]);
        let named = variant["properties"].as_object().and_then(|properties| properties.iter().next());
        let (written, fields) = match named {
            Some((name, body)) => {
                let fields: Vec<(String, String)> = fields(body).collect();
                let names = fields.iter().map(|(field, _)| format!("\"{field}\": …")).collect::<Vec<_>>().join(", ");
                (format!("{{\"{name}\": {{{names}}}}}"), fields)
            }
            None => (variant["const"].to_string(), vec![]),
        };
        let fields = fields.iter().map(|(field, says)| format!("<br>`{field}`: {says}")).collect::<String>();
        rows.push_str(&format!("| `{written}` | {says}{fields} |\n"));
    }
    rows
}

/// The fields of an object, with what each is for. One that can be left out has a question mark.
fn fields(schema: &Value) -> impl Iterator<Item = (String, String)> {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let properties: Map<String, Value> = schema["properties"].as_object().cloned().unwrap_or_default();
    properties.into_iter().map(move |(name, property)| {
        let mark = if required.iter().any(|required| *required == name) { "" } else { "?" };
        (format!("{name}{mark}"), one_line(&property["description"]))
    })
}

/// A description without line feeds and without links of this program's own documentation.
fn one_line(text: &Value) -> String {
    let text = text.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    text.replace("[`InjectedFault::", "`").replace("`]", "`").replace('|', "\\|")
}
