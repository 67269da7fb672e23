//! The sources of the program, for tests that read them.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the manifest is.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of `src` with production code.
pub struct Source {
    /// Below `src`, such as `engine/look/batch.rs`.
    pub name: String,
    /// Without comments and unit tests.
    pub code: String,
}

/// The files of a folder and of those in it, in order.
pub fn files(under: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(under)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect();
    found.sort();
    found
}

/// The production code below a folder of `src`; below all of it for an empty name.
pub fn production(under: &str) -> Vec<Source> {
    let src = root().join("src");
    let below = files(&src.join(under)).into_iter().filter_map(|file| {
        let name = file.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
        (name.ends_with(".rs") && !is_for_tests(&name)).then(|| Source { code: code(&file), name })
    });
    below.collect()
}

fn is_for_tests(name: &str) -> bool {
    let parts = name.trim_end_matches(".rs").split('/');
    parts.into_iter().any(|part| ["tests", "testing", "conformance", "fixtures"].iter().any(|end| part.ends_with(end)))
}

fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let production = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    production.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}
