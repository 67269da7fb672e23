//! What the program writes, held against its own schemas.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crossgrant::schema::document;
use jsonschema::Validator;
use serde_json::Value;

/// A validator of the schema of that name, made once.
pub fn validator(name: &str) -> Arc<Validator> {
    static MADE: Mutex<BTreeMap<String, Arc<Validator>>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(|e| e.into_inner());
    let make = || Arc::new(of(&document(name).unwrap_or_else(|| panic!("there is no schema {name}"))));
    Arc::clone(made.entry(name.to_owned()).or_insert_with(make))
}

/// A validator of a schema, formats included.
pub fn of(schema: &Value) -> Validator {
    jsonschema::draft202012::options().should_validate_formats(true).build(schema).unwrap()
}

/// Everything that is wrong with a value, by the schema of that name.
pub fn faults(name: &str, value: &Value) -> Vec<String> {
    validator(name).iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Sees that an event has its schemas: that of its attributes, and that of its data, which it names.
pub fn check_event(event: &Value) {
    let faults_of = |name: &str, value: &Value| {
        let found = faults(name, value);
        assert!(found.is_empty(), "{name}: {found:#?} in {event:#}");
    };
    // Stores of earlier versions hold events that name none.
    if event["source"] == "crossgrant" {
        return;
    }
    faults_of("event", event);
    let name = event["dataschema"].as_str().unwrap().strip_prefix("urn:crossgrant:schema:").unwrap();
    faults_of(name.strip_suffix(":v1").unwrap(), &event["data"]);
}
