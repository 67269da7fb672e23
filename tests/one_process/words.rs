//! Words that make a sentence hard to read stay out of the sources and the documents.

use std::fs;

use super::sources::{files, root};

const BANNED: [&str; 6] = ["whoever", "nobody", "so many", "is had", "as good as none", "puts it down"];
/// Lines in which such a word is the right one: the file, and the line.
const RIGHT: [(&str, &str); 0] = [];

#[test]
fn sentences_are_plain() {
    let mut wrong = Vec::new();
    let mut kept = RIGHT.to_vec();
    let documents = [files(&root().join("src")), files(&root().join("docs")), vec![root().join("README.md")]].concat();
    let pictures = |file: &std::path::PathBuf| file.extension().is_some_and(|ending| ending == "png");
    for file in documents.into_iter().filter(|file| !pictures(file)) {
        let name = file.strip_prefix(root()).unwrap().to_str().unwrap();
        for (n, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            let lower = line.to_lowercase();
            if !BANNED.iter().any(|word| lower.contains(word)) {
                continue;
            }
            match kept.iter().position(|right| *right == (name, line.trim())) {
                Some(right) => drop(kept.swap_remove(right)),
                None => wrong.push(format!("{name}:{}: {}", n + 1, line.trim())),
            }
        }
    }
    assert!(wrong.is_empty(), "say who does what:\n{}", wrong.join("\n"));
    assert!(kept.is_empty(), "these lines are gone: {kept:?}");
}
