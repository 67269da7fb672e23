//! `explain`: what a word means that an operator has met, and what to do. Reasons, classes and answers of the admin HTTP
//! have a section each in `docs/reasons.md`, all other codes of this program in `docs/codes.md`; the cloud's codes have their
//! entries in the error table, the operator's own first.

use serde_json::{Value, json};

use super::args::ExplainArgs;
use super::engine::catalog;
use super::exit::{Exit, Failure};
use super::output;
use crate::config::Config;
use crate::domain::{Code, did_you_mean};
use crate::workflow::{Effect, ErrorClass, ErrorClasses, JobFinding};

const PAGES: [&str; 2] = [include_str!("../../docs/reasons.md"), include_str!("../../docs/codes.md")];

/// A section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Page {
    /// The part it is in, such as `Reasons`.
    part: &'static str,
    /// What it explains.
    word: &'static str,
    text: &'static str,
}

/// Prints what there is to say about a word.
pub(super) fn explain(args: &ExplainArgs, config: impl FnOnce() -> Result<Config, Failure>) -> Result<Exit, Failure> {
    // Whoever asks may have no configuration yet, or a broken one; only the operator's own table depends on it.
    let overrides = config().map(|config| config.overrides).unwrap_or_else(|error| {
        tracing::warn!("the operator's own error table is left out: {error}");
        Default::default()
    });
    let catalog = catalog(&overrides)?;
    let lines = match &args.code {
        Some(code) => of(code, &catalog.classes, args.json)?,
        None => pages().map(|page| if args.json { page.json() } else { page.heading() }).collect(),
    };
    for line in lines {
        output::line(&line)?;
    }
    Ok(Exit::Ok)
}

/// Everything about a word, as lines.
fn of(code: &str, classes: &ErrorClasses, json: bool) -> Result<Vec<String>, Failure> {
    let word = code.to_ascii_lowercase();
    let mut lines = Vec::new();
    for page in pages().filter(|page| page.word == word) {
        lines.push(if json { page.json() } else { format!("{}\n\n{}\n", page.heading(), page.text) });
    }
    let entries = classes.explain(code);
    let known = entries.iter().any(|entry| !entry.codes.is_empty());
    if !lines.is_empty() && !known {
        return Ok(lines);
    }
    let hint = hint(code, classes);
    if !known && (!hint.is_empty() || !looks_like_the_clouds(code)) {
        return Err(Failure::usage(format!(
            "there is nothing to explain about \"{code}\"{hint} (`crossgrant explain` lists all words)"
        ))
        .code(Code::UnknownWord));
    }
    if !json {
        lines.push(format!("{code} (error code of the cloud)\n"));
    }
    lines.extend(entries.iter().map(|entry| if json { entry_json(code, entry) } else { entry_text(entry) }));
    Ok(lines)
}

fn pages() -> impl Iterator<Item = Page> {
    PAGES.into_iter().flat_map(|file| file.split("\n# ")).flat_map(|part| {
        let part = part.trim_start_matches("# ");
        let (name, rest) = part.split_once('\n').unwrap_or((part, ""));
        rest.split("\n## ").skip(1).map(move |section| {
            let (word, text) = section.split_once('\n').unwrap_or((section, ""));
            Page { part: name.trim(), word: word.trim(), text: text.trim() }
        })
    })
}

impl Page {
    fn heading(&self) -> String {
        let kind = match self.part {
            "Reasons" => "reason of an event",
            "Classes" => "class of error codes of the cloud",
            "Admin HTTP" => "answer of the admin HTTP",
            "Calls without an answer" => "in the place of an error code of the cloud",
            "Messages" => "fault of a message",
            "Configuration" => "fault of the configuration",
            "Workflow files" => "fault of a workflow file",
            "Broker" => "error of the broker or of the way to it",
            "Findings" => "finding of doctor",
            _ => "error of a command",
        };
        format!("{} ({kind})", self.word)
    }

    fn json(&self) -> String {
        json!({"word": self.word, "part": self.part, "text": self.text}).to_string()
    }
}

fn entry_text(entry: &ErrorClass) -> String {
    let delay = entry.retry_after.then_some("with a delay that the server asks for");
    let operations = (!entry.operations.is_empty()).then(|| format!("of {}", entry.operations.join(", ")));
    let on: Vec<&str> = operations.as_deref().into_iter().chain(delay).collect();
    let on = if on.is_empty() { String::new() } else { format!("{}: ", on.join(", ")) };
    let effect = match entry.effect {
        Effect::None => "the call had no effect",
        Effect::Unknown => "the call may have taken effect",
    };
    let finding = match entry.finding {
        Some(JobFinding::Instance) => "; the job ends with findings about its instance",
        None => "",
    };
    format!("{on}{}; {effect}{finding}\n{}\n{}\n", entry.class, entry.meaning, entry.advice)
}

fn entry_json(code: &str, entry: &ErrorClass) -> String {
    let mut object = json!({
        "word": code, "part": "Error codes", "class": entry.class.as_str(), "effect": entry.effect.as_str(),
        "retry_after": entry.retry_after, "meaning": entry.meaning, "do": entry.advice,
    });
    if !entry.operations.is_empty() {
        object["operations"] = Value::from(entry.operations.clone());
    }
    if let Some(finding) = entry.finding {
        object["finding"] = Value::from(finding.as_str());
    }
    object.to_string()
}

/// What to add to a message about an unknown word.
fn hint(code: &str, classes: &ErrorClasses) -> String {
    let codes = classes.entries().iter().flat_map(|entry| &entry.codes).map(String::as_str);
    did_you_mean(code, pages().map(|page| page.word).chain(codes.filter(|code| !code.contains('*'))), "")
}

/// Codes of the cloud are written in capitals or in camel case; words of this program never are.
fn looks_like_the_clouds(code: &str) -> bool {
    code.starts_with(|first: char| first.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::ApiError;
    use crate::domain::Reason;
    use crate::workflow::{Class, Overrides};

    fn words(part: &str) -> Vec<&'static str> {
        pages().filter(|page| page.part == part).map(|page| page.word).collect()
    }

    fn explained(code: &str) -> Result<String, Failure> {
        of(code, &catalog(&Overrides::default()).unwrap().classes, false).map(|lines| lines.join("\n"))
    }

    #[test]
    fn every_word_has_a_page_and_every_page_a_word() {
        assert_eq!(words("Reasons"), Reason::ALL.iter().map(|reason| reason.as_str()).collect::<Vec<_>>());
        assert_eq!(words("Classes"), Class::ALL.map(Class::as_str));
        assert_eq!(words("Calls without an answer"), ["not-sent", "unanswered"]);
        assert_eq!(words("Admin HTTP"), ApiError::CODES);
        let mut parts: Vec<&str> = Code::ALL.iter().map(|code| code.part()).collect();
        parts.dedup();
        for part in parts {
            let codes = Code::ALL.iter().filter(|code| code.part() == part);
            assert_eq!(words(part), codes.map(|code| code.as_str()).collect::<Vec<_>>(), "{part}");
        }
        assert_eq!(pages().count(), Reason::ALL.len() + Class::ALL.len() + 2 + Code::ALL.len());
    }

    #[test]
    fn every_page_says_what_it_means_and_what_to_do() {
        for page in pages() {
            assert!(page.text.lines().count() >= 2 && page.text.ends_with('.'), "{page:?}");
        }
    }

    #[test]
    fn a_word_in_two_places_is_explained_twice() {
        let text = explained("done").unwrap();
        assert!(text.contains("done (reason of an event)") && text.contains("done (class of error codes"), "{text}");
    }

    #[test]
    fn a_code_of_the_cloud_is_explained_for_every_operation() {
        let text = explained("operationfailed.grantcrossaccountnotexist").unwrap();
        assert!(text.contains("of Revoke*: done") && text.contains("permanent; the call had no effect"), "{text}");
        for entry in catalog(&Overrides::default()).unwrap().classes.entries() {
            for code in &entry.codes {
                let code = code.replace('*', "X");
                assert!(explained(&code).unwrap().contains(&entry.meaning), "{code}");
            }
        }
    }

    #[test]
    fn what_a_refusal_finds_wrong_with_the_job_is_said() {
        let text = explained("InstanceType.Invalid").unwrap();
        assert!(
            text.contains("of Grant*, Revoke*: permanent; the call had no effect; the job ends with findings"),
            "{text}"
        );
        let json = of("InvalidInstanceId.NotFound", &catalog(&Overrides::default()).unwrap().classes, true).unwrap();
        let findings: Vec<Value> =
            json.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["finding"].clone()).collect();
        assert_eq!(findings, [Value::Null, "instance".into(), "instance".into(), Value::Null]);
    }

    #[test]
    fn a_word_nobody_knows_is_answered_with_the_nearest() {
        let failure = explained("atached").unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.message.contains("did you mean attached?"), "{failure}");
        assert!(explained("OperationConflicts").unwrap_err().message.contains("did you mean OperationConflict?"));
        assert!(!explained("zzz").unwrap_err().message.contains("did you mean"));
    }

    #[test]
    fn a_code_the_table_does_not_know_is_what_the_worker_takes_it_for() {
        assert!(explained("Zzz.Qqq").unwrap().contains("unknown; the call may have taken effect"));
    }
}
