//! The schemas: they say what the program takes and writes, and change by additions only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use crossgrant::domain::contract::{BEYOND, Beyond, Envelope, Fault, parse, parse_whole};
use crossgrant::domain::{BatchEventType, Code, EventType, SCHEMA_VERSION, Topic};
use crossgrant::engine::ports::mail::{Lane, TIMESTAMP, TYPE};
use crossgrant::engine::ports::store::Taken;
use crossgrant::schema::{document, documents, http_page};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use serde_json::{Map, Value, json};

use super::sources::root;
use crate::support::additive::{Way, breaks};
use crate::support::bad_messages::{corpus, good, with};
use crate::support::outbox::page;
use crate::support::plant::{ATTACHED, CEN, HELD, NOT_GRANTED, Plant, grant, payer_change, revoke, with as with_field};
use crate::support::schemas::{check_event, faults, of};
use crate::support::thorough;

/// Compares a file with what it should be; `CROSSGRANT_BLESS=1` writes it.
fn is_current(path: PathBuf, text: &str) {
    if std::env::var_os("CROSSGRANT_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == text,
        "{} is not current; CROSSGRANT_BLESS=1 cargo test --test promises schemas:: writes it",
        path.display()
    );
}

#[test]
fn the_files_are_what_the_program_prints() {
    let folder = root().join(format!("schemas/v{SCHEMA_VERSION}"));
    let names: Vec<String> = documents().into_iter().map(|document| format!("{}.json", document.name)).collect();
    for name in &names {
        let text = format!("{:#}\n", document(name.trim_end_matches(".json")).unwrap());
        is_current(folder.join(name), &text);
    }
    let there = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(there.collect::<BTreeSet<_>>(), names.into_iter().collect(), "{}", folder.display());
}

#[test]
fn the_page_of_the_http_is_current() {
    const MARK: &str =
        "<!-- From here on written by `CROSSGRANT_BLESS=1 cargo test --test promises schemas::`. -->\n\n";
    let path = root().join("docs/http.md");
    let text = fs::read_to_string(&path).unwrap();
    let (by_hand, _) = text.split_once(MARK).expect("the mark is there");
    is_current(path, &format!("{by_hand}{MARK}{}", http_page()));
}

#[test]
fn every_rule_that_no_schema_says_is_on_the_page_of_the_contract() {
    let page = fs::read_to_string(root().join("docs/contract.md")).unwrap();
    for Beyond { code, at, rule } in BEYOND {
        let row = format!("| `{code}` | {} | {rule} |", if at.is_empty() { "–".into() } else { format!("`{at}`") });
        assert!(page.contains(&row), "docs/contract.md has no row\n{row}");
    }
}

#[test]
fn every_schema_is_one_and_has_the_uri_of_its_name() {
    for name in documents().into_iter().map(|document| document.name) {
        let schema = document(&name).unwrap();
        if ["asyncapi", "openapi"].contains(&name.as_str()) {
            continue;
        }
        assert_eq!(schema["$id"], format!("urn:crossgrant:schema:{name}:v{SCHEMA_VERSION}"));
        assert!(jsonschema::meta::is_valid(&schema), "{name}");
        of(&schema);
    }
    assert_eq!(document("jobb"), None);
}

/// Every text for people in a document, with its place.
fn texts(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if ["description", "summary", "title"].contains(&name.as_str()) => {
                        found.push((format!("{at}/{name}"), text.clone()));
                    }
                    value => texts(value, &format!("{at}/{name}"), found),
                }
            }
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(n, item)| texts(item, &format!("{at}/{n}"), found)),
        _ => {}
    }
}

#[test]
fn no_text_of_a_schema_speaks_of_the_source() {
    for name in documents().into_iter().map(|document| document.name) {
        let mut found = Vec::new();
        texts(&document(&name).unwrap(), "", &mut found);
        for (at, text) in found {
            let inner = ["::", "[`", "`]", "`None`", "`Some", "crate", "](", "`Option", "`Vec"];
            assert!(!inner.iter().any(|inner| text.contains(inner)), "{name} {at}: {text}");
        }
    }
}

/// The kept copies, by version; what is in them was published.
fn kept() -> Vec<(String, Map<String, Value>)> {
    let files = fs::read_dir(root().join("tests/data/schemas")).unwrap().map(|entry| entry.unwrap().path());
    let json = files.filter(|path| path.extension().is_some_and(|end| end == "json"));
    let read = |path: PathBuf| {
        let version = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (version, serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
    };
    json.map(read).collect()
}

/// Without what is only for people.
fn bare(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields
                .iter()
                .filter(|(key, value)| !(["description", "title"].contains(&key.as_str()) && value.is_string()));
            kept.map(|(key, value)| (key.clone(), bare(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(bare).collect(),
        other => other.clone(),
    }
}

fn compared() -> Vec<String> {
    documents().into_iter().map(|document| document.name).filter(|name| name != "asyncapi").collect()
}

/// Keeps the schemas of a version that is released: `CROSSGRANT_KEEP=<version> cargo test … -- --ignored keep`.
#[test]
#[ignore = "writes the copies of a release"]
fn keep_the_schemas_of_a_release() {
    let version = std::env::var("CROSSGRANT_KEEP").expect("CROSSGRANT_KEEP names the version");
    let all: Map<String, Value> =
        compared().into_iter().map(|name| (name.clone(), bare(&document(&name).unwrap()))).collect();
    let path = root().join(format!("tests/data/schemas/{version}.json"));
    fs::write(path, format!("{}\n", Value::from(all))).unwrap();
}

#[test]
fn what_was_published_changes_by_additions_only() {
    let all = kept();
    assert!(!all.is_empty(), "no version is kept");
    for (version, schemas) in all {
        for (name, old) in &schemas {
            let new = document(name).unwrap_or_else(|| panic!("{version}: the schema {name} is gone"));
            if old["$id"] != new["$id"] {
                continue;
            }
            let found = match name.as_str() {
                "openapi" => http_breaks(old, &new),
                "job" | "batch" | "configuration" => breaks(old, &new, Way::In),
                _ => breaks(old, &new, Way::Out),
            };
            assert!(
                found.is_empty(),
                "{name} is not what {version} published with additions. Either make it so, or raise SCHEMA_VERSION:\n{}",
                found.join("\n")
            );
        }
    }
}

fn http_breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (path, methods) in old["paths"].as_object().unwrap() {
        for (method, was) in methods.as_object().unwrap() {
            let is = &new["paths"][path][method];
            let parameters = |operation: &Value| -> BTreeSet<String> {
                let all = operation["parameters"].as_array().cloned().unwrap_or_default();
                all.iter().map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
            };
            let gone: Vec<String> = parameters(was).difference(&parameters(is)).cloned().collect();
            // A further role may be let in, where one is needed.
            let roles = |of: &Value| of["security"].as_array().cloned().unwrap_or_default();
            let kept =
                roles(was).iter().all(|role| roles(is).contains(role)) && roles(was).is_empty() == roles(is).is_empty();
            if is.is_null() || !gone.is_empty() || !kept {
                found.push(format!("{method} {path}: gone, or without {gone:?}, or for another role"));
            }
        }
    }
    for (name, was) in old["components"]["schemas"].as_object().unwrap() {
        let at = format!("#/components/schemas/{name}");
        match new.pointer(&at[1..]) {
            Some(_) => {
                let root = |document: &Value| {
                    let mut root = json!({"$ref": at});
                    root["components"] = document["components"].clone();
                    root
                };
                found.extend(breaks(&root(old), &root(new), Way::Out));
            }
            None => found.push(format!("the schema {name} is gone: {was}")),
        }
    }
    found
}

/// Each way in which a schema can be changed that is no addition, and some that are.
#[test]
fn the_comparison_tells_an_addition_from_a_break() {
    let old = json!({
        "type": "object",
        "required": ["a", "b"],
        "properties": {
            "a": {"type": "string", "enum": ["x", "y"]},
            "b": {"$ref": "#/$defs/B"},
            "c": {"type": ["string", "null"], "pattern": "^x", "maxLength": 9},
        },
        "$defs": {"B": {"type": "array", "items": {"type": "integer", "minimum": 1}}},
    });
    let changed = |at: &str, to: Option<Value>| {
        let mut new = old.clone();
        let (parent, name) = at.rsplit_once('/').unwrap();
        let parent = new.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match to {
            Some(to) => drop(parent.insert(name.to_owned(), to)),
            None => drop(parent.remove(name)),
        }
        new
    };
    for (at, to, out, taken) in [
        ("/description", Some(json!("other words")), true, true),
        ("/properties/d", Some(json!({"type": "string"})), true, true),
        ("/properties/c", None, false, false),
        ("/properties/a", Some(json!({"type": "string", "enum": ["x", "y", "z"]})), true, true),
        ("/properties/a", Some(json!({"type": "string", "enum": ["x"]})), false, false),
        ("/properties/a", Some(json!({"type": "integer"})), false, false),
        ("/required", Some(json!(["a", "b", "c"])), true, false),
        ("/required", Some(json!(["a"])), false, true),
        ("/additionalProperties", Some(json!(false)), true, false),
        ("/properties/c/type", Some(json!("string")), true, false),
        ("/properties/c/type", Some(json!(["string", "null", "integer"])), false, true),
        ("/properties/c/pattern", None, false, true),
        ("/properties/c/pattern", Some(json!("^y")), false, false),
        ("/properties/c/maxLength", Some(json!(10)), false, true),
        ("/properties/c/maxLength", Some(json!(8)), true, false),
        ("/$defs/B/items/minimum", Some(json!(2)), true, false),
        ("/$defs/B/items", Some(json!({"type": "string"})), false, false),
        ("/not", Some(json!({"required": ["d"]})), true, false),
        ("/anyOf", Some(json!([{"required": ["d"]}])), false, false),
    ] {
        let new = changed(at, to.clone());
        let good = |way| breaks(&old, &new, way);
        assert_eq!(
            (good(Way::Out).is_empty(), good(Way::In).is_empty()),
            (out, taken),
            "{at} {to:?}: {:?} {:?}",
            good(Way::Out),
            good(Way::In)
        );
    }
}

/// What the reader of messages says of a body, in a message that has an id and a fitting routing key.
fn read(body: &Value) -> Vec<Fault> {
    let envelope = Envelope { message_id: Some("m-1"), routing_key: "crossgrant.jobs", ..Envelope::default() };
    parse(body.to_string().as_bytes(), &envelope).err().unwrap_or_default().into_iter().collect()
}

/// What is wrong if the verdicts on a body differ by more than the rules that no schema says.
fn differ(body: &Value) -> Option<String> {
    let (by_schema, by_reader) = (faults("job", body), read(body));
    if !by_schema.is_empty() {
        return by_reader.is_empty().then(|| format!("taken, and the schema says {by_schema:?}"));
    }
    let said = |fault: &&Fault| BEYOND.iter().any(|rule| rule.covers(fault.code, &fault.at));
    let unsaid: Vec<&Fault> = by_reader.iter().filter(|fault| !said(fault)).collect();
    (!unsaid.is_empty()).then(|| format!("the schema takes it, and the reader says {unsaid:?}"))
}

#[test]
fn the_schema_and_the_reader_agree_on_what_is_sent_by_mistake() {
    for bad in corpus("crossgrant") {
        let Ok(body) = serde_json::from_slice::<Value>(&bad.body) else { continue };
        if let Some(why) = differ(&body) {
            panic!("{}: {why}", bad.name);
        }
    }
    for body in [good(), with("/labels", json!({"a": "ü"})), with("/instance/owner", json!(1_688_000_000_000_001_u64))]
    {
        assert_eq!((faults("job", &body), read(&body)), (vec![], vec![]));
    }
}

/// A body for each rule about bodies that no schema says: it fits the schema, and is rejected for that rule.
#[test]
fn every_rule_that_no_schema_says_is_one() {
    let mut never = with("/not_before", json!("2026-11-21T10:00:00Z"));
    never["not_after"] = json!("2026-11-21T09:00:00Z");
    let bodies = [
        (Code::JobWrongType, "/instance/owner", with("/instance/owner", json!(1_688_000_000_000_001.0))),
        (Code::JobWrongType, "/cen/owner", with("/cen/owner", json!(1e15))),
        (Code::JobBadValue, "/not_before", with("/not_before", json!("2026-02-30T09:00:00Z"))),
        (Code::JobBadValue, "/not_after", with("/not_after", json!("2026-02-30T09:00:00Z"))),
        (Code::JobBadValue, "/batch/size", with("/batch", json!({"id": "B", "size": 3.0}))),
        (
            Code::JobBadValue,
            "/batch/not_after",
            with("/batch", json!({"id": "B", "size": 3, "not_after": "2026-02-30T09:00:00Z"})),
        ),
        (Code::JobNeverBegins, "/not_after", never),
        (Code::JobBadLabel, "/labels", with("/labels", json!({"ü".repeat(60): "ä".repeat(200)}))),
    ];
    let by_shape = jsonschema::draft202012::options().build(&document("job").unwrap()).unwrap();
    for (code, at, body) in &bodies {
        assert!(by_shape.is_valid(body), "{at}");
        let found = read(body);
        let rule = BEYOND.iter().find(|rule| (rule.code, rule.at) == (*code, *at)).unwrap();
        assert!(!found.is_empty() && found.iter().all(|fault| rule.covers(fault.code, &fault.at)), "{at}: {found:?}");
    }
    // The others are not about what a body says: its bytes, the message around it, and what the worker knows besides.
    let others = BEYOND.iter().filter(|rule| !bodies.iter().any(|(code, at, _)| (rule.code, rule.at) == (*code, *at)));
    for Beyond { code, at, .. } in others {
        let of_the_store =
            [Code::JobIdReused, Code::JobBatchDiffers, Code::JobBatchFull, Code::JobBatchClosed].contains(code);
        let beside = at.starts_with("amqp:") || of_the_store || [Code::JobTooLarge, Code::JobNotJson].contains(code);
        assert!(beside || (*code, *at) == (Code::JobMissingField, "/id"), "{code} at {at}");
    }
}

/// Values that a field may be given: some right somewhere, most of them nearly.
fn values() -> impl Strategy<Value = Value> {
    let texts = [
        "grant",
        "revoke",
        "payer-change",
        "VPC",
        "CCN",
        "VPN",
        "ECR",
        "vpc",
        "PayByCenOwner",
        "PayByResourceOwner",
        "apply",
        "plan",
        "refuse",
        "delete",
        "go-on",
        "stop",
        "",
        " ",
        "0",
        "1",
        "18446744073709551615",
        "18446744073709551616",
        "000",
        "1250123456123456",
        "123456789012345678901",
        "vpc-bp1h8vbrbcgohcju50001",
        "ccn-bp1h8vbrbcgohcju50001",
        "vco-bp1h8vbr",
        "vpc-short",
        "VPC-bp1h8vbrbcgohcju50001",
        "vpc-bp1h8vbrbcgohcju50001\n",
        "cen-44m0p68spvlrqq0001",
        "cen-",
        "cn-hangzhou",
        "cn-",
        "c-hangzhou",
        "cn-hangzhou-",
        "cn-x-1",
        "cn--x",
        "2026-11-21T09:00:00Z",
        "2026-11-21T09:00:00.5+08:00",
        "2026-11-21 09:00:00Z",
        "2026-11-21T09:00Z",
        "2026-02-30T09:00:00Z",
        "2026-11-21T09:00:60Z",
        "2026-11-21t09:00:00z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2026-11-21T09:00:00+24:00",
        "2026-11-21T09:00:00-00:00",
        "naïve",
        "\u{7f}",
        "\u{85}",
        "\u{9f}",
        "\u{a0}",
        "\u{2028}",
        "tab\t",
        "NET-4312/1",
    ];
    let numbers = [
        json!(0),
        json!(1),
        json!(-1),
        json!(1.0),
        json!(1.5),
        json!(1e300),
        json!(1000),
        json!(1001),
        json!(7.0),
        json!(u64::MAX),
        json!(1_250_123_456_123_456_u64),
    ];
    let long = (0..300_usize).prop_map(|length| json!("x".repeat(length)));
    let region = (50..80_usize).prop_map(|length| json!(format!("cn-{}", "x".repeat(length))));
    let labels =
        proptest::collection::btree_map("[a-zü\n]{0,70}", "[a-zä\u{1}]{0,260}", 0..20).prop_map(|labels| json!(labels));
    prop_oneof![
        8 => select(texts.to_vec()).prop_map(|text| json!(text)),
        2 => select(numbers.to_vec()),
        2 => select(vec![json!(null), json!(true), json!([]), json!({}), json!({"attachments": "delete"}), json!({"attachments": 1}), json!({"attachment": "refuse"}), json!({"a": 1}), json!({"id": "B", "size": 2}), json!({"id": "B"})]),
        2 => any::<String>().prop_map(|text| json!(text)),
        1 => long,
        1 => region,
        1 => labels,
    ]
}

fn places() -> impl Strategy<Value = &'static str> {
    select(vec![
        "/id",
        "/kind",
        "/kind",
        "/instance",
        "/instance/type",
        "/instance/type",
        "/instance/id",
        "/instance/id",
        "/instance/region",
        "/instance/owner",
        "/cen",
        "/cen/id",
        "/cen/owner",
        "/order_type",
        "/order_type",
        "/options",
        "/options",
        "/not_before",
        "/not_after",
        "/mode",
        "/batch",
        "/batch/id",
        "/batch/size",
        "/batch/size",
        "/batch/on_failure",
        "/batch/not_after",
        "/batch/other",
        "/labels",
        "/labels",
        "/other",
        "/instance/other",
        "/cen/other",
    ])
}

/// Changes of a good job: a field with another value, or without one.
fn bodies() -> impl Strategy<Value = Value> {
    let change = (places(), proptest::option::weighted(0.85, values()));
    let batch = with("/batch", json!({"id": "B", "size": 3, "on_failure": "stop"}));
    let base = select(vec![good(), with("/kind", json!("revoke")), with("/kind", json!("payer-change")), batch]);
    (base, proptest::collection::vec(change, 0..4)).prop_map(|(mut body, changes)| {
        for (at, value) in changes {
            let (parent, name) = at.rsplit_once('/').unwrap();
            let Some(Value::Object(fields)) = body.pointer_mut(parent) else { continue };
            match value {
                Some(value) => drop(fields.insert(name.to_owned(), value)),
                None => drop(fields.remove(name)),
            }
        }
        body
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if thorough::is() { 20_000 } else { 4_000 }))]

    #[test]
    fn the_schema_and_the_reader_agree(body in bodies()) {
        prop_assert_eq!(differ(&body), None, "{}", body);
    }
}

/// The generated bodies are of use only if both verdicts are common.
#[test]
fn many_of_the_bodies_are_jobs_and_many_are_not() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut good = 0;
    for _ in 0..1_000 {
        let body = bodies().new_tree(&mut runner).unwrap().current();
        good += usize::from(read(&body).is_empty());
    }
    assert!((100..900).contains(&good), "{good} of 1000 are jobs");
}

/// A job of each end, so that the schemas of events are met here too; the crash tests meet them with each cut.
#[tokio::test]
async fn events_have_the_schema_that_they_name() {
    let plant = Plant::new().await;
    let jobs = [
        grant("g", NOT_GRANTED),
        payer_change("p", ATTACHED, "PayByResourceOwner"),
        revoke("r", HELD),
        with_field(grant("plan", NOT_GRANTED), "mode", json!("plan")),
    ];
    let mut met = BTreeSet::new();
    for job in jobs {
        let uid = plant.job(job).await;
        plant.run().await;
        for event in plant.events(uid).await {
            check_event(&event);
            met.insert(event["type"].as_str().unwrap().to_owned());
        }
    }
    let expected =
        [EventType::Accepted, EventType::Completed, EventType::Failed, EventType::Planned, EventType::Waiting];
    assert_eq!(met, expected.map(EventType::name).into());
}

/// The events of a batch too: of one that goes on past a minute, stops, and ends.
#[tokio::test]
async fn events_of_batches_have_the_schema_that_they_name() {
    let plant = Plant::new().await;
    let member = |job| with_field(job, "batch", json!({"id": "b", "size": 2, "on_failure": "stop"}));
    plant.job(member(payer_change("p", ATTACHED, "PayByResourceOwner"))).await;
    plant.run_on().await;
    plant.job(member(revoke("r", HELD))).await;
    plant.run().await;
    let [batch] = &plant.store().batches(false, None, 9).await.unwrap()[..] else { panic!("there is one batch") };
    let mut met = BTreeSet::new();
    for event in plant.events(batch.uid).await {
        check_event(&event);
        met.insert(event["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(met, BatchEventType::ALL.map(|kind| Topic::from(kind).name()).into());
}

/// What the schema of a whole batch and its reader say of a body: whether they take it.
fn verdicts(body: &Value) -> (bool, bool) {
    let envelope = Envelope { routing_key: "batch", ..Envelope::default() };
    (faults("batch", body).is_empty(), parse_whole(body.to_string().as_bytes(), &envelope).is_ok())
}

#[test]
fn the_schema_and_the_reader_of_a_whole_batch_agree() {
    let job = |id: &str| with("/id", json!(id));
    let of = |batch: Value, jobs: Vec<Value>| json!({"batch": batch, "jobs": jobs});
    let many = |jobs: usize| of(json!({"id": "B"}), (0..jobs).map(|n| job(&n.to_string())).collect());
    let two =
        of(json!({"id": "B", "on_failure": "stop", "not_after": "2026-11-22T00:00:00Z"}), vec![job("1"), job("2")]);
    assert_eq!(verdicts(&two), (true, true));
    let mut nameless = job("1");
    nameless.as_object_mut().unwrap().remove("id");
    let mut extra = two.clone();
    extra["more"] = json!(1);
    for body in [
        many(0),
        of(json!({"id": "B", "size": 2}), vec![job("1"), job("2")]),
        of(json!({}), vec![job("1")]),
        of(json!({"id": "B", "on_failure": "halt"}), vec![job("1")]),
        of(json!({"id": "B"}), vec![with("/batch", json!({"id": "B", "size": 1}))]),
        of(json!({"id": "B"}), vec![with("/kind", json!("move"))]),
        of(json!({"id": "B"}), vec![nameless]),
        of(json!({"id": "B"}), vec![json!(7)]),
        json!({"jobs": [job("1")]}),
        json!({"batch": {"id": "B"}, "jobs": "none"}),
        extra,
    ] {
        assert_eq!(verdicts(&body), (false, false), "{body}");
    }
    assert!(!faults("batch", &many(1001)).is_empty());
}

/// What the outbox has is what the broker gets: properties, and headers by which a consumer can choose.
#[tokio::test]
async fn events_go_out_with_what_a_consumer_chooses_by() {
    let plant = Plant::new().await;
    let Taken::New(_) = plant.send_as(Some("ticketing"), &grant("g", NOT_GRANTED)).await else { panic!("it is new") };
    plant.send_as(Some("ticketing"), &json!({"id": "bad"})).await;
    let rows = plant.store().outbox(page(Lane::Events, 0, 10)).await.unwrap();
    let of = |kind: &str| &rows.iter().find(|row| row.outgoing.routing_key == kind).unwrap().outgoing.headers;
    let headers = |about: &[(&str, &str)]| -> BTreeMap<String, String> {
        let when = [(TIMESTAMP, "1795256400")];
        when.iter().chain(about).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let accepted = [("kind", "grant"), ("requester", "ticketing"), ("cen", CEN), (TYPE, "crossgrant.job.accepted")];
    assert_eq!(*of("job.accepted"), headers(&accepted));
    assert_eq!(*of("job.rejected"), headers(&[("requester", "ticketing"), (TYPE, "crossgrant.job.rejected")]));
    for row in rows {
        check_event(&serde_json::from_slice(&row.outgoing.body).unwrap());
    }
}

#[test]
fn an_event_that_lacks_something_is_seen() {
    let data = json!({"uid": "0190"});
    assert!(
        faults("event.completed", &data).iter().any(|fault| fault.contains("\"verified_at\" is a required property"))
    );
    let event = json!({"specversion": "1.0", "sequence": "9", "source": "crossgrant"});
    let found = faults("event", &event).join("; ");
    for part in ["/sequence", "/source", "\"dataschema\" is a required property"] {
        assert!(found.contains(part), "{part} is not in {found}");
    }
}
