//! The arrows of the architecture point one way: an inner layer names no outer one.

use std::collections::BTreeMap;

use super::sources::{production, root};

/// What each layer may use of the others. Tests inside of `src` may use anything.
fn allowed() -> BTreeMap<&'static str, Vec<&'static str>> {
    let domain = vec!["domain"];
    let document = [domain.clone(), vec!["document"]].concat();
    let workflow = [document.clone(), vec!["workflow"]].concat();
    let engine = [workflow.clone(), vec!["clock", "engine"]].concat();
    let outer = |own: &'static str| [engine.clone(), vec![own]].concat();
    let process = vec![
        "admin",
        "cli",
        "page",
        "config",
        "schema",
        "telemetry",
        "actions",
        "sweep",
        "cloud",
        "store",
        "broker",
        "simulator",
        "webhook",
    ];
    let process = [engine.clone(), process].concat();
    BTreeMap::from([
        ("allocator", vec!["allocator"]),
        ("clock", vec!["clock"]),
        ("domain", domain),
        ("document", document),
        ("workflow", workflow.clone()),
        ("engine", engine.clone()),
        ("actions", outer("actions")),
        ("sweep", outer("sweep")),
        ("cloud", outer("cloud")),
        ("store", outer("store")),
        ("broker", outer("broker")),
        ("webhook", outer("webhook")),
        ("simulator", vec!["domain", "clock", "simulator"]),
        ("admin", process.clone()),
        ("cli", process.clone()),
        ("page", process.clone()),
        ("config", process.clone()),
        ("schema", process.clone()),
        ("telemetry", process),
    ])
}

#[test]
fn arrows_point_one_way() {
    let (allowed, mut seen, mut wrong) = (allowed(), 0, Vec::new());
    for source in production("") {
        let layer = source.name.split('/').next().unwrap().trim_end_matches(".rs");
        if ["lib", "main"].contains(&layer) {
            continue;
        }
        let may = allowed.get(layer).unwrap_or_else(|| panic!("the layer {layer} is not on the map"));
        for line in source.code.lines() {
            for (at, _) in line.match_indices("crate::") {
                let used: String = line[at + 7..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                seen += 1;
                if allowed.contains_key(used.as_str()) && !may.contains(&used.as_str()) {
                    wrong.push(format!("{} uses {used}: {}", source.name, line.trim()));
                }
            }
        }
    }
    assert!(seen > 100, "the test reads the sources");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_client_and_the_simulator_share_no_signing() {
    let sources = production("simulator");
    assert!(sources.len() > 5);
    for source in sources {
        assert!(!source.code.contains("crate::cloud"), "{} uses the client", source.name);
    }
}

/// Decisions are pure, and so is what they are made of.
#[test]
fn the_inner_layers_know_no_runtime_and_no_clock() {
    for folder in ["engine/decide", "domain", "document", "workflow"] {
        let sources = production(folder);
        assert!(sources.len() > 4, "{folder} is read");
        for source in sources {
            for word in
                ["tokio", "async ", "clock::Clock", "std::fs", "std::net", "std::time::Instant", "Timestamp::now"]
            {
                assert!(!source.code.contains(word), "{} names {word}", source.name);
            }
        }
    }
}

/// Where a change goes is looked up in a table, which is only as good as its paths.
#[test]
fn the_architecture_names_files_that_exist() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let named = text.split('`').skip(1).step_by(2);
    let folders = ["src/", "tests/", "docs/", "deploy/", "workflows/"];
    let paths: Vec<&str> = named.filter(|path| folders.iter().any(|folder| path.starts_with(folder))).collect();
    assert!(paths.len() > 80, "the test reads the table: {paths:?}");
    let gone = paths.iter().filter(|path| !path.contains('*') && !root().join(path).exists());
    assert_eq!(gone.collect::<Vec<_>>(), Vec::<&&str>::new());
}
