//! The image can be built: what the program is made of lies in what its first stage copies.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use crate::one_process::sources::{files, production, root};
use crate::support::crossgrant;

/// What the stage that builds copies: from the repository, and where to.
fn copied() -> Vec<(PathBuf, PathBuf)> {
    let dockerfile = fs::read_to_string(root().join("deploy/Dockerfile")).unwrap();
    let stages: Vec<&str> = dockerfile.split("\nFROM ").collect();
    assert!(stages.len() > 2, "the test reads the stages: {}", stages.len());
    let lines = stages[1].lines().filter_map(|line| line.strip_prefix("COPY "));
    let each = lines.flat_map(|line| {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        let to = words.pop().unwrap();
        words.into_iter().map(move |from| {
            let into_folder = if to.ends_with('/') { Path::new(to).join(from) } else { to.into() };
            (from.into(), within(&into_folder))
        })
    });
    each.collect()
}

/// A path without `.` and `..`.
fn within(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut path, part| {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(path.pop()),
            part => path.push(part),
        }
        path
    })
}

/// The files that the sources of the program take in when they are compiled.
fn included() -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for source in production("") {
        let folder = Path::new("src").join(&source.name).parent().unwrap().to_owned();
        for word in ["include_str!(\"", "include_bytes!(\"", "include!(\""] {
            for (at, _) in source.code.match_indices(word) {
                let target = source.code[at + word.len()..].split('"').next().unwrap();
                found.insert(within(&folder.join(target)));
            }
        }
    }
    found
}

/// The files that the manifest names for the program itself.
fn of_the_manifest() -> BTreeSet<PathBuf> {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let one = |part: &toml::Value| part.get("path").and_then(|path| path.as_str()).map(PathBuf::from);
    let listed = |name: &str| manifest.get(name).and_then(|list| list.as_array()).into_iter().flatten();
    let build = manifest["package"].get("build").and_then(|path| path.as_str()).map(PathBuf::from);
    let named = listed("bin").filter_map(one).chain(manifest.get("lib").and_then(one)).chain(build);
    named.chain(["Cargo.toml", "Cargo.lock", "src/lib.rs", "src/main.rs"].map(PathBuf::from)).collect()
}

#[test]
fn the_build_stage_copies_every_file_that_the_program_is_made_of() {
    let (copied, included) = (copied(), included());
    for file in ["docs/reasons.md", "docs/codes.md", "workflows/errors.toml", "examples/world.toml"] {
        assert!(included.contains(Path::new(file)), "the test finds {file}: {included:?}");
    }
    for (from, to) in &copied {
        assert!(root().join(from).exists(), "deploy/Dockerfile copies {}, which is not there", from.display());
        assert_eq!(from, to, "the sources name each other by their places in the repository");
    }
    let lacking: Vec<_> = included
        .union(&of_the_manifest())
        .filter(|file| !copied.iter().any(|(from, _)| file.starts_with(from)))
        .cloned()
        .collect();
    assert!(lacking.is_empty(), "deploy/Dockerfile does not copy {lacking:?}");
}

/// A volume takes over the mode and the owner of the folder, and Kubernetes tells a user that is not root by its number alone.
#[test]
fn the_folder_of_the_store_is_for_the_user_of_the_image_alone() {
    let dockerfile = fs::read_to_string(root().join("deploy/Dockerfile")).unwrap();
    let last = dockerfile.split("\nFROM ").last().unwrap();
    let after = |what: &str| last.find(what).unwrap_or_else(|| panic!("deploy/Dockerfile lacks `{what}`"));
    assert!(after("--create-home crossgrant") < after("&& chmod 0700 /var/lib/crossgrant"));
    assert!(after("--uid 10001 --gid 10001") < after("\nUSER 10001:10001\n"));
    assert!(after("\nUSER ") < after("\nVOLUME /var/lib/crossgrant\n"));
}

/// `make image-files`: what the compiler says that it read when it last built the program.
#[test]
#[ignore = "reads what `cargo build` leaves"]
fn the_compiler_needs_no_file_that_the_build_stage_does_not_copy() {
    let said = fs::read_to_string(crossgrant().with_extension("d")).unwrap();
    let read: BTreeSet<&Path> =
        said.split_whitespace().filter_map(|file| Path::new(file).strip_prefix(root()).ok()).collect();
    for file in ["src/main.rs", "src/lib.rs", "docs/codes.md"] {
        assert!(read.contains(Path::new(file)), "the compiler has read {file}: {said}");
    }
    let copied = copied();
    let built = |file: &Path| file.starts_with("target");
    let lacking: Vec<_> = read
        .into_iter()
        .filter(|file| !built(file) && !copied.iter().any(|(from, _)| file.starts_with(from)))
        .collect();
    assert!(lacking.is_empty(), "deploy/Dockerfile does not copy {lacking:?}");
}

/// The manifest names tests and benches that the build stage does not have.
#[test]
fn cargo_understands_the_manifest_in_the_build_stage() {
    let dir = tempfile::tempdir().unwrap();
    for (from, to) in copied() {
        let (from, to) = (root().join(from), dir.path().join(to));
        let all = if from.is_dir() { files(&from) } else { vec![from.clone()] };
        for file in all {
            // Of a file the rest is empty, and a join with it would make a folder of the name.
            let rest = file.strip_prefix(&from).unwrap();
            let to = if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(&file, &to).unwrap();
        }
    }
    let cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--offline", "--no-deps", "--format-version=1"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
}
