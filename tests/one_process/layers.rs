//! The arrows of the architecture point one way: an inner layer names no outer one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each layer may use of the others. Tests inside of `src` may use anything.
fn allowed() -> BTreeMap<&'static str, Vec<&'static str>> {
    let domain = vec!["domain"];
    let workflow = [domain.clone(), vec!["workflow"]].concat();
    let engine = [workflow.clone(), vec!["clock", "engine"]].concat();
    let outer = |own: &'static str| [engine.clone(), vec![own]].concat();
    let process =
        vec!["admin", "cli", "config", "telemetry", "actions", "sweep", "cloud", "store", "broker", "simulator"];
    let process = [engine.clone(), process].concat();
    BTreeMap::from([
        ("allocator", vec!["allocator"]),
        ("clock", vec!["clock"]),
        ("domain", domain),
        ("workflow", workflow.clone()),
        ("engine", engine.clone()),
        ("actions", outer("actions")),
        ("sweep", outer("sweep")),
        ("cloud", outer("cloud")),
        ("store", outer("store")),
        ("broker", outer("broker")),
        ("simulator", vec!["domain", "clock", "simulator"]),
        ("admin", process.clone()),
        ("cli", process.clone()),
        ("config", process.clone()),
        ("telemetry", process),
    ])
}

fn sources(under: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// Production code without its comments: what stands before the unit tests, in files that are not only tests.
fn production(path: &Path) -> Option<String> {
    let name = path.to_str().unwrap();
    let is_test = ["tests", "testing", "conformance", "fixtures"].iter().any(|word| {
        path.components().any(|part| part.as_os_str().to_str().unwrap().trim_end_matches(".rs").ends_with(word))
    });
    if is_test {
        return None;
    }
    let text = fs::read_to_string(name).unwrap();
    let production = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let code = production.lines().filter(|line| !line.trim_start().starts_with("//"));
    Some(code.collect::<Vec<_>>().join("\n"))
}

#[test]
fn arrows_point_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let (allowed, mut seen, mut wrong) = (allowed(), 0, Vec::new());
    for file in files {
        let inside = file.strip_prefix(&src).unwrap();
        let layer =
            inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if ["lib", "main"].contains(&layer.as_str()) {
            continue;
        }
        let may = allowed.get(layer.as_str()).unwrap_or_else(|| panic!("the layer {layer} is not on the map"));
        let Some(text) = production(&file) else { continue };
        for line in text.lines() {
            for (at, _) in line.match_indices("crate::") {
                let used: String = line[at + 7..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                seen += 1;
                if allowed.contains_key(used.as_str()) && !may.contains(&used.as_str()) {
                    wrong.push(format!("{} uses {used}: {}", inside.display(), line.trim()));
                }
            }
        }
    }
    assert!(seen > 100, "the test reads the sources");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_client_and_the_simulator_share_no_signing() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src.join("simulator"), &mut files);
    assert!(files.len() > 5);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("crate::cloud"), "{} uses the client", file.display());
    }
}

#[test]
fn the_inner_layers_know_no_runtime_and_no_clock() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src.join("engine/decide"), &mut files);
    sources(&src.join("domain"), &mut files);
    sources(&src.join("workflow"), &mut files);
    for file in files {
        let Some(text) = production(&file) else { continue };
        for word in ["tokio", "clock::Clock", "std::fs", "std::net", "Timestamp::now"] {
            assert!(!text.contains(word), "{} names {word}", file.display());
        }
    }
}
