//! What a person sees on terminals of 80 and 120 columns, in files: `CROSSGRANT_BLESS=1` writes them anew, and the difference is to be
//! looked at.

use std::path::Path;

/// Compares what is shown with `tests/data/terminal/NAME-COLUMNS.txt`. Only a line with a command may be too long.
pub(super) fn holds(name: &str, shown: impl Fn(usize) -> Vec<String>) {
    for columns in [80, 120] {
        let lines = shown(columns);
        let long = lines.iter().find(|line| line.chars().count() > columns && !line.contains("crossgrant "));
        assert_eq!(long, None, "{name} at {columns} columns");
        let text = lines.join("\n") + "\n";
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/terminal");
        let file = folder.join(format!("{name}-{columns}.txt"));
        if std::env::var_os("CROSSGRANT_BLESS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, &text).unwrap();
        }
        let there = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(text, there, "{}; CROSSGRANT_BLESS=1 writes it anew", file.display());
    }
}
