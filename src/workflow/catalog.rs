//! Everything `workflows/` holds, embedded in the binary and checked together.

use std::collections::BTreeMap;

use super::definition::Definition;
use super::errors::ErrorClasses;
use super::policies::Policies;
use super::problem::Problem;
use super::verb::VerbSpec;
use crate::domain::{Code, Kind};

const POLICIES: &str = include_str!("../../workflows/policies.toml");
const ERRORS: &str = include_str!("../../workflows/errors.toml");
const DEFINITIONS: [(Kind, &str, &str); 3] = [
    (Kind::Grant, "workflows/grant.toml", include_str!("../../workflows/grant.toml")),
    (Kind::Revoke, "workflows/revoke.toml", include_str!("../../workflows/revoke.toml")),
    (Kind::PayerChange, "workflows/payer-change.toml", include_str!("../../workflows/payer-change.toml")),
];

/// A file of the operator's, already read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverridingFile {
    /// Its path, for messages.
    pub file: String,
    /// Its text.
    pub text: String,
}

impl OverridingFile {
    fn parts(&self) -> (&str, &str) {
        (&self.file, &self.text)
    }
}

/// What an operator may override. Step definitions are not among it: they are what the crash tests prove.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Single keys of `policies.toml`.
    pub policies: Option<OverridingFile>,
    /// Entries that come before those of `errors.toml`.
    pub errors: Option<OverridingFile>,
}

/// The definitions this binary brings along, with the live policies and error classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalog {
    /// One for every kind.
    pub definitions: BTreeMap<Kind, Definition>,
    /// Live: they apply to running jobs too.
    pub policies: Policies,
    /// Live: they apply to running jobs too.
    pub classes: ErrorClasses,
}

impl Catalog {
    /// The embedded catalog, checked against the verbs there are. All findings are reported together.
    pub fn embedded(verbs: &[VerbSpec], overrides: &Overrides) -> Result<Self, Vec<Problem>> {
        let policies = Policies::load(POLICIES, overrides.policies.as_ref().map(OverridingFile::parts));
        let classes = ErrorClasses::load(ERRORS, overrides.errors.as_ref().map(OverridingFile::parts));
        let (policies, classes) = match (policies, classes) {
            (Ok(policies), Ok(classes)) => (policies, classes),
            (policies, classes) => {
                return Err([policies.err(), classes.err()].into_iter().flatten().flatten().collect());
            }
        };
        let mut definitions = BTreeMap::new();
        let mut problems = Vec::new();
        for (kind, file, text) in DEFINITIONS {
            match Definition::parse(file, text, verbs, &policies) {
                Ok(definition) if definition.kind == kind => drop(definitions.insert(kind, definition)),
                Ok(definition) => {
                    let message = format!("this file is for `{kind}` and defines `{}`", definition.kind);
                    problems.push(Problem { file: file.to_owned(), line: 1, code: Code::WorkflowIncomplete, message });
                }
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() { Ok(Self { definitions, policies, classes }) } else { Err(problems) }
    }

    /// The definition that new jobs of this kind are pinned to.
    pub fn definition(&self, kind: Kind) -> &Definition {
        self.definitions.get(&kind).expect("the catalog holds a definition of every kind")
    }
}

#[cfg(test)]
mod tests {
    use super::super::definition::{Refused, Target};
    use super::super::verb::samples::VERBS;
    use super::*;

    #[test]
    fn the_embedded_catalog_loads() {
        let catalog = Catalog::embedded(&VERBS, &Overrides::default()).unwrap_or_else(|found| panic!("{found:#?}"));
        assert_eq!(catalog.definitions.keys().copied().collect::<Vec<_>>(), Kind::ALL);
    }

    /// Every path from survey to end, as the names of the steps.
    fn paths(definition: &Definition) -> Vec<String> {
        fn walk(definition: &Definition, at: &Target, path: &str, found: &mut Vec<String>) {
            let Target::Step(name) = at else { return found.push(path.to_owned()) };
            let step = definition.step(name).unwrap();
            for (_, target) in step.targets() {
                walk(definition, target, format!("{path} {name}").trim_start(), found);
            }
        }
        let mut found = Vec::new();
        walk(definition, &Target::Step(definition.first().name.clone()), "", &mut found);
        found.sort();
        found
    }

    #[test]
    fn each_kind_goes_the_ways_the_rules_name() {
        let catalog = Catalog::embedded(&VERBS, &Overrides::default()).unwrap();
        assert_eq!(paths(catalog.definition(Kind::Grant)), ["survey", "survey grant confirm"]);
        assert_eq!(
            paths(catalog.definition(Kind::Revoke)),
            ["survey", "survey detach revoke confirm", "survey revoke confirm"]
        );
        assert_eq!(
            paths(catalog.definition(Kind::PayerChange)),
            [
                "survey",
                "survey await-hour",
                "survey modify-grant update-attachments await-hour",
                "survey revoke grant confirm",
                "survey revoke grant confirm await-hour",
            ]
        );
    }

    #[test]
    fn the_second_half_of_a_replaced_grant_is_never_given_up() {
        let catalog = Catalog::embedded(&VERBS, &Overrides::default()).unwrap();
        let grant = catalog.definition(Kind::PayerChange).step("grant").unwrap().call().unwrap();
        assert_eq!(grant.refused, Refused::Retry);
    }

    #[test]
    fn faults_of_both_overriding_files_are_reported_together() {
        let file = |name: &str, text: &str| Some(OverridingFile { file: name.to_owned(), text: text.to_owned() });
        let overrides = Overrides { policies: file("p.toml", "x = 1"), errors: file("e.toml", "y = 1") };
        let found = Catalog::embedded(&VERBS, &overrides).unwrap_err();
        assert_eq!(found.iter().map(|p| p.file.as_str()).collect::<Vec<_>>(), ["p.toml", "e.toml"]);
    }
}
