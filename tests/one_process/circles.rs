//! No circle between the files of `src`, but those that are left on purpose: a file can be read when the files that it
//! uses have been read.
//!
//! An arrow goes from a file to one that defines what it names: by `use`, or by a path in the code. A re-export is no
//! place of its own: what `x.rs` takes from its folder `x/` counts for the file that defines it. `mod` is no arrow, nor is
//! a re-export that the file does not use itself.

use std::collections::{BTreeMap, BTreeSet};

use super::sources::{Source, production};

/// Two files that may name each other: two halves of one thing, where each half is easier to read alone.
const ON_PURPOSE: [[&str; 2]; 2] =
    [["cloud/identity.rs", "cloud/rpc.rs"], ["workflow/definition.rs", "workflow/parse.rs"]];

type Path = Vec<String>;

/// What a `use` brings into a file: the name it has there, and where it is from.
struct Import {
    name: String,
    from: Path,
    /// Other files can name it here.
    public: bool,
}

/// A file as a module.
struct Module {
    path: Path,
    file: String,
    imports: Vec<Import>,
    /// The code without its imports.
    body: String,
}

impl Module {
    fn of(Source { name, code }: Source) -> Self {
        let path = name.trim_end_matches(".rs").trim_end_matches("/mod").split('/').map(str::to_owned);
        let path = path.filter(|part| part != "lib").collect();
        let code = from_the_file(&code);
        let (mut imports, mut body, mut rest) = (Vec::new(), String::new(), code.as_str());
        while let Some(line) = rest.split_inclusive('\n').next() {
            let words = line.trim_start().split_once("use ").filter(|(before, _)| {
                before.is_empty() || before.starts_with("pub") && before.ends_with(' ') && !before.contains("fn ")
            });
            if let Some((visibility, _)) = words {
                let (statement, after) = rest.split_once(';').unwrap();
                let tree: String =
                    statement.split_once("use ").unwrap().1.split_whitespace().collect::<Vec<_>>().join(" ");
                add_imports(&tree, &[], !visibility.is_empty(), &mut imports);
                rest = after;
            } else {
                if !line.trim_end().ends_with(';') || !line.contains("mod ") {
                    body.push_str(line);
                }
                rest = &rest[line.len()..];
            }
        }
        Self { path, file: name, imports, body }
    }

    /// Every path of two or more names in the code.
    fn paths(&self) -> BTreeSet<Path> {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let (mut found, mut path, mut rest) = (BTreeSet::new(), Path::new(), self.body.as_str());
        while let Some(first) = rest.chars().next() {
            let name: String = rest.chars().take_while(|c| is_part(*c)).collect();
            if name.is_empty() {
                rest = &rest[first.len_utf8()..];
                continue;
            }
            rest = &rest[name.len()..];
            path.push(name);
            match rest.strip_prefix("::") {
                Some(more) if more.starts_with(is_part) => rest = more,
                _ => {
                    let path = std::mem::take(&mut path);
                    if path.len() > 1 {
                        found.insert(path);
                    }
                }
            }
        }
        found
    }

    /// Whether the code names what was imported.
    fn names(&self, name: &str) -> bool {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        self.body.split(|c| !is_part(c)).any(|word| word == name)
    }
}

/// The code with every name as the file itself would write it: in a module within the file `super` is the file.
fn from_the_file(code: &str) -> String {
    let mut within = false;
    let lines = code.lines().map(|line| {
        within = within && line != "}" || line.contains("mod ") && line.ends_with('{') && !line.starts_with(' ');
        if within { line.replace("super::", "") } else { line.to_owned() }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What a tree such as `crate::a::{self, b as c, d::*}` imports. Of a glob the name is empty.
fn add_imports(tree: &str, before: &[String], public: bool, imports: &mut Vec<Import>) {
    let tree = tree.trim();
    let from = |end: &str| [before, &end.split("::").map(|part| part.trim().to_owned()).collect::<Path>()].concat();
    if let Some((path, group)) = tree.split_once('{') {
        let path = path.trim().trim_end_matches("::");
        let before = if path.is_empty() { before.to_vec() } else { from(path) };
        let group = group.strip_suffix('}').unwrap();
        let (mut depth, mut start) = (0, 0);
        for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    add_imports(&group[start..at], &before, public, imports);
                    start = (at + 1).min(group.len());
                }
                _ => {}
            }
        }
    } else if let Some((path, name)) = tree.split_once(" as ") {
        imports.push(Import { name: name.to_owned(), from: from(path), public });
    } else if !tree.is_empty() {
        let mut from = from(tree);
        if from.last().is_some_and(|last| last == "self") {
            from.pop();
        }
        let glob = from.pop_if(|last| last == "*").is_some();
        let name = if glob { String::new() } else { from.last().unwrap().clone() };
        imports.push(Import { name, from, public });
    }
}

/// All modules, by their paths.
struct Sources(BTreeMap<Path, Module>);

impl Sources {
    /// The module that a path which stands in `here` leads to, and whether it names something in it. `None` for what is not
    /// ours.
    fn resolve(&self, here: &[String], path: &[String]) -> Option<(&Module, bool)> {
        let (first, mut rest) = path.split_first()?;
        let mut at = here.to_vec();
        match first.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => {
                at.pop()?;
                while let Some(("super", more)) = rest.split_first().map(|(first, more)| (first.as_str(), more)) {
                    at.pop()?;
                    rest = more;
                }
            }
            name => {
                let child = [here, &[name.to_owned()]].concat();
                match self.0.contains_key(&child) {
                    true => at = child,
                    false => return self.through_import(here, name, rest),
                }
            }
        }
        for (n, part) in rest.iter().enumerate() {
            let deeper = [at.as_slice(), std::slice::from_ref(part)].concat();
            if self.0.contains_key(&deeper) {
                at = deeper;
            } else {
                let found = self.through_import(&at, part, &rest[n + 1..]);
                return found.or_else(|| Some((self.0.get(&at)?, true)));
            }
        }
        Some((self.0.get(&at)?, false))
    }

    /// What a name that `here` imports leads to.
    fn through_import(&self, here: &[String], name: &str, rest: &[String]) -> Option<(&Module, bool)> {
        let module = self.0.get(here)?;
        let import = module.imports.iter().find(|import| import.name == name)?;
        let from = [import.from.as_slice(), rest].concat();
        // What begins with its own name is another crate's.
        (import.from.first().map(String::as_str) != Some(name)).then(|| self.resolve(here, &from)).flatten()
    }

    /// The files that a module uses, each with what it uses them for.
    fn arrows(&self, module: &Module) -> BTreeMap<&str, BTreeSet<String>> {
        let imports = module.imports.iter().filter(|import| !import.public || module.names(&import.name));
        let imports = imports.filter_map(|import| {
            let (to, is_item) = self.resolve(&module.path, &import.from)?;
            (is_item || import.name.is_empty()).then(|| (to, import.from.join("::")))
        });
        let paths = module.paths().into_iter();
        let paths = paths.filter_map(|path| Some((self.resolve(&module.path, &path)?.0, path.join("::"))));
        let mut arrows: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (to, by) in imports.chain(paths).filter(|(to, _)| to.file != module.file) {
            arrows.entry(&to.file).or_default().insert(by);
        }
        arrows
    }
}

type Arrows<'a> = BTreeMap<&'a str, BTreeMap<&'a str, BTreeSet<String>>>;

/// The files that can be reached from a file.
fn reached<'a>(arrows: &Arrows<'a>, from: &str) -> BTreeSet<&'a str> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(file) = next.pop() {
        let fresh = arrows[file].keys().copied().filter(|to| seen.insert(*to));
        next.extend(fresh.collect::<Vec<_>>());
    }
    seen
}

/// The largest sets of files each of which reaches every other.
fn circles<'a>(arrows: &Arrows<'a>) -> BTreeSet<Vec<&'a str>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> = arrows.keys().map(|file| (*file, reached(arrows, file))).collect();
    let of = |file: &&'a str| -> Vec<&'a str> {
        reach[file].iter().copied().filter(|other| reach[other].contains(file)).collect()
    };
    arrows.keys().map(of).filter(|circle| circle.len() > 1).collect()
}

/// A circle for people: its files, and the arrows between them.
fn shown(circle: &[&str], arrows: &Arrows<'_>) -> String {
    let mut text = format!("{circle:?}\n");
    for from in circle {
        for (to, by) in arrows[from].iter().filter(|(to, _)| circle.contains(to)) {
            text += &format!("  {from} -> {to}: {}\n", by.iter().cloned().collect::<Vec<_>>().join(", "));
        }
    }
    text
}

#[test]
fn files_make_no_circles_but_those_that_are_left_on_purpose() {
    let modules = production("").into_iter().filter(|source| source.name != "main.rs").map(Module::of);
    let sources = Sources(modules.map(|module| (module.path.clone(), module)).collect());
    let mut arrows: Arrows<'_> =
        sources.0.values().map(|module| (module.file.as_str(), sources.arrows(module))).collect();
    assert!(arrows.values().map(BTreeMap::len).sum::<usize>() > 500, "the test reads the sources");
    for [one, other] in ON_PURPOSE {
        let is_circle = reached(&arrows, one).contains(other) && reached(&arrows, other).contains(one);
        assert!(is_circle, "{one} and {other} are in no circle any more: take them out of ON_PURPOSE");
    }
    for (from, to) in &mut arrows {
        to.retain(|to, _| !ON_PURPOSE.iter().any(|pair| pair.contains(from) && pair.contains(to)));
    }
    let found: String = circles(&arrows).iter().map(|circle| shown(circle, &arrows)).collect();
    assert!(found.is_empty(), "untie these, or say in ON_PURPOSE why not:\n{found}");
}
