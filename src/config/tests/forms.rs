//! The JSON Schema of the configuration and its reader: what the one refuses for its form the other refuses.

use super::*;

const VALUES: [&str; 22] = [
    "\"text\"",
    "\"\"",
    "\" \"",
    "\"none\"",
    "\"20s\"",
    "\"true\"",
    "\"json\"",
    "\"rabbitmq\"",
    "1",
    "0",
    "-1",
    "1.5",
    "70000",
    "2000000",
    "true",
    "false",
    "[]",
    "[\"a\"]",
    "[\"a\", \"b\"]",
    "[1]",
    "{}",
    "{ a = 1 }",
];

/// A file with one setting, and the same as JSON.
fn file(section: &str, key: &str, value: &str) -> (String, serde_json::Value) {
    let text =
        if section.is_empty() { format!("\n{key} = {value}\n") } else { format!("[{section}]\n{key} = {value}\n") };
    let json = serde_json::to_value(toml::from_str::<toml::Value>(&text).unwrap()).unwrap();
    (text, json)
}

#[test]
fn the_schema_and_the_reader_agree_on_the_form_of_each_value() {
    let schema = jsonschema::draft202012::options().build(&json_schema()).unwrap();
    let account = "accounts.\"1250123456123456\"";
    let keys = schema::SECTIONS.iter().flat_map(|(section, keys)| keys.iter().map(move |key| (*section, *key)));
    let (mut refused, mut taken) = (0, 0);
    for (section, key) in keys.chain(schema::account_keys().map(|key| (account, key))) {
        for value in VALUES {
            let (text, json) = file(section, key, value);
            let faults = load(&text, &[]).err().map(|error| error.0).unwrap_or_default();
            let by_schema: Vec<String> = schema.iter_errors(&json).map(|error| error.to_string()).collect();
            let at = |fault: &String| fault.contains("crossgrant.toml:2:") && fault.contains(&format!("`{key}`"));
            let of_form = |fault: &&String| {
                let words = [", not a ", ", not true", ", not false", "must be a whole number", "(known: ", "is empty"];
                at(fault) && words.iter().any(|word| fault.contains(word))
            };
            if by_schema.is_empty() {
                taken += 1;
                // What the text of a string has to be beyond its form only the reader knows: a duration, an address.
                let of_text = |fault: &&String| value.starts_with('"') && fault.contains("must be a duration");
                let found: Vec<&String> = faults.iter().filter(of_form).filter(|fault| !of_text(fault)).collect();
                assert!(found.is_empty(), "{section} {key} = {value}: the schema takes it, the reader says {found:?}");
            } else {
                refused += 1;
                assert!(
                    !faults.is_empty(),
                    "{section} {key} = {value}: the reader takes it, the schema says {by_schema:?}"
                );
            }
        }
    }
    assert!(refused > 500 && taken > 150, "{refused} {taken}");
}

#[test]
fn the_sample_and_the_lists_fit_the_schema() {
    let schema = jsonschema::draft202012::options().build(&json_schema()).unwrap();
    let fits =
        |text: &str| schema.is_valid(&serde_json::to_value(toml::from_str::<toml::Value>(text).unwrap()).unwrap());
    assert!(fits(include_str!("../../../deploy/crossgrant.toml")));
    assert!(fits(
        "[[admin.token]]\nname = 'a'\nrole = 'reader'\ntoken = 'x'\n[[allow]]\nrequesters = ['*']\nkinds = ['grant']\n"
    ));
    for wrong in [
        "[[admin.token]]\nname = 'a b'\nrole = 'reader'\n",
        "[[admin.token]]\nname = 'a'\n",
        "[[broker.requester]]\nkey = 'x'\n",
        "[[allow]]\nkinds = ['grant']\n",
        "[[allow]]\nrequesters = ['*']\nkinds = ['gift']\n",
        "[accounts.x]\nhub = true\n",
        "[brokr]\n",
        "[cloud.endpoints]\noss = 'x'\n",
    ] {
        assert!(!fits(wrong), "{wrong}");
    }
}
