//! The files of `workflows/`, embedded in the binary and checked together.

use std::collections::BTreeMap;

use super::definition::Definition;
use super::errors::ErrorClasses;
use super::policies::Policies;
use super::verb::VerbSpec;
use crate::document::{Location, Problem};
use crate::domain::{Code, Kind};

const POLICIES: &str = include_str!("../../workflows/policies.toml");
const ERRORS: &str = include_str!("../../workflows/errors.toml");
const DEFINITIONS: [(Kind, &str, &str); 3] = [
    (Kind::Grant, "workflows/grant.toml", include_str!("../../workflows/grant.toml")),
    (Kind::Revoke, "workflows/revoke.toml", include_str!("../../workflows/revoke.toml")),
    (Kind::PayerChange, "workflows/payer-change.toml", include_str!("../../workflows/payer-change.toml")),
];

/// A file of an operator that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverridingFile {
    /// Its path, for messages.
    pub file: String,
    /// Its content.
    pub text: String,
}

impl OverridingFile {
    fn name_and_text(&self) -> (&str, &str) {
        (&self.file, &self.text)
    }
}

/// The files that an operator overrides. Definitions cannot be overridden, because the crash tests prove the embedded ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Replaces single keys of `policies.toml`.
    pub policies: Option<OverridingFile>,
    /// Adds entries before those of `errors.toml`.
    pub errors: Option<OverridingFile>,
}

/// The definitions of this binary, with the policies and error classes in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalog {
    /// A definition of every kind of job. New jobs are pinned to it.
    pub definitions: BTreeMap<Kind, Definition>,
    /// Retries and time limits, for running jobs too.
    pub policies: Policies,
    /// What errors of the cloud mean, for running jobs too.
    pub classes: ErrorClasses,
}

impl Catalog {
    /// Reads the embedded files with the overrides, and checks them against the verbs of this program. Reports every problem
    /// of the policies and error classes, or else of the definitions.
    pub fn embedded(verbs: &[VerbSpec], overrides: &Overrides) -> Result<Self, Vec<Problem>> {
        let policies = Policies::load(POLICIES, overrides.policies.as_ref().map(OverridingFile::name_and_text));
        let classes = ErrorClasses::load(ERRORS, overrides.errors.as_ref().map(OverridingFile::name_and_text));
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
                    let location = Location::File(file.to_owned());
                    problems.push(Problem { location, code: Code::WorkflowIncomplete, message });
                }
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() { Ok(Self { definitions, policies, classes }) } else { Err(problems) }
    }

    /// The definition to which new jobs of this kind are pinned.
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
    fn problems_of_both_overriding_files_are_reported_together() {
        let file = |name: &str, text: &str| Some(OverridingFile { file: name.to_owned(), text: text.to_owned() });
        let overrides = Overrides { policies: file("p.toml", "x = 1"), errors: file("e.toml", "y = 1") };
        let found = Catalog::embedded(&VERBS, &overrides).unwrap_err();
        assert_eq!(found.iter().map(|p| p.location.to_string()).collect::<Vec<_>>(), ["p.toml:1", "e.toml:1"]);
    }
}
