//! `explain`: what a reason or an error code means, and what to do about it. Reasons, classes and answers of the admin API
//! have a section each in `docs/reasons.md`, all other codes of this program in `docs/codes.md`. The cloud's codes have
//! entries in the error table, the operator's own entries first.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::args::ExplainArgs;
use super::engine::catalog;
use super::exit::{CliError, Exit};
use super::output;
use super::terminal::{columns, wrapped};
use crate::config::Config;
use crate::domain::{Code, did_you_mean};
use crate::workflow::{Effect, ErrorClass, ErrorClasses, Finding};

const FILES: [&str; 2] = [include_str!("../../docs/reasons.md"), include_str!("../../docs/codes.md")];

/// The width of the list of all words. It is for people and pipes alike.
const LIST_WIDTH: usize = 79;

/// A section of these files: what `explain` prints for a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WordPage {
    /// The heading above it, such as `Reasons`.
    pub part: &'static str,
    /// The reason or code that it explains.
    pub word: &'static str,
    text: &'static str,
}

/// Explains one word, or lists all words.
pub(super) fn explain(args: &ExplainArgs, config: impl FnOnce() -> Result<Config, CliError>) -> Result<Exit, CliError> {
    // Only the operator's own error table depends on the configuration, which may be missing or broken.
    let overrides = config().map(|config| config.overrides).unwrap_or_else(|error| {
        output::note(&format!(
            "the error classes that the configuration adds are not explained, because it cannot be used: {error}"
        ));
        Default::default()
    });
    let catalog = catalog(&overrides)?;
    let lines = match &args.code {
        Some(code) => of(code, &catalog.classes, args.json)?,
        None if args.json => word_pages().map(|page| page.json()).collect(),
        None => words_by_part(),
    };
    for line in lines {
        output::lines(&line)?;
    }
    Ok(Exit::Ok)
}

/// All explanations of a word.
fn of(code: &str, classes: &ErrorClasses, json: bool) -> Result<Vec<String>, CliError> {
    let word = code.to_ascii_lowercase();
    let mut lines = Vec::new();
    for page in word_pages().filter(|page| page.word == word) {
        lines.push(if json {
            page.json()
        } else {
            format!("{}\n\n{}\n", page.heading(), page.shown(columns(std::io::stdout())))
        });
    }
    let entries = classes.explain(code);
    let known = entries.iter().any(|entry| !entry.codes.is_empty());
    if !lines.is_empty() && !known {
        return Ok(lines);
    }
    let hint = hint(code, classes);
    if !known && (!hint.is_empty() || !may_be_of_the_cloud(code)) {
        return Err(CliError::usage(format!(
            "\"{code}\" is not a known word{hint} (`crossgrant explain` lists all words)"
        ))
        .code(Code::UnknownWord));
    }
    if !json {
        lines.push(format!("{code} (error code of the cloud)\n"));
    }
    lines.extend(entries.iter().map(|entry| if json { entry_json(code, entry) } else { entry_text(entry) }));
    Ok(lines)
}

/// Whether a word has a page.
pub(crate) fn is_word(word: &str) -> bool {
    static WORDS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| word_pages().map(|page| page.word).collect());
    WORDS.contains(word)
}

/// All words, under what they are. As many stand on a line as fit.
fn words_by_part() -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut part = "";
    for page in word_pages() {
        if page.part != part {
            part = page.part;
            let blank = (!lines.is_empty()).then(String::new);
            lines.extend(blank);
            lines.push(format!("{}:", page.kind()));
            lines.push(String::new());
        }
        let last = lines.pop().unwrap_or_default();
        if last.chars().count() + page.word.len() + 2 <= LIST_WIDTH {
            lines.push(format!("{last}  {}", page.word));
        } else {
            lines.extend([last, format!("  {}", page.word)]);
        }
    }
    lines
}

pub(crate) fn word_pages() -> impl Iterator<Item = WordPage> {
    FILES.into_iter().flat_map(|file| file.split("\n# ")).flat_map(|part| {
        let part = part.trim_start_matches("# ");
        let (name, rest) = part.split_once('\n').unwrap_or((part, ""));
        rest.split("\n## ").skip(1).map(move |section| {
            let (word, text) = section.split_once('\n').unwrap_or((section, ""));
            WordPage { part: name.trim(), word: word.trim(), text: text.trim() }
        })
    })
}

impl WordPage {
    fn heading(&self) -> String {
        format!("{} ({})", self.word, self.kind())
    }

    /// What sort of word it is.
    pub fn kind(&self) -> &'static str {
        match self.part {
            "Reasons" => "reason of an event",
            "Classes" => "class of error codes of the cloud",
            "Admin HTTP" => "answer of the admin API",
            "Undelivered messages" => "cause of a message that was kept aside",
            "What needs a person" => "group of the status",
            "Checks" => "check of a worker",
            "States of accounts" => "state of an account",
            "States of jobs" => "state of a job",
            "Calls without an answer" => "outcome of a call without an answer",
            "Messages" => "fault of a job message",
            "Configuration" => "fault of the configuration",
            "Workflow files" => "fault of a workflow file",
            "Broker" => "error of the broker or of the connection to it",
            "Store" => "error of opening the store",
            "Findings" => "finding of doctor",
            _ => "error of a command",
        }
    }

    fn json(&self) -> String {
        let (meaning, advice) = self.meaning_and_advice();
        json!({"word": self.word, "part": self.part, "meaning": meaning, "do": advice, "text": self.text}).to_string()
    }

    /// What the word means, and what to do, as it fits a terminal; elsewhere as it stands in the page.
    fn shown(&self, columns: Option<usize>) -> String {
        let Some(columns) = columns else { return self.text.to_owned() };
        let (meaning, advice) = self.meaning_and_advice();
        format!("{}\n\n{}", wrapped(&meaning, columns), wrapped(&advice, columns))
    }

    /// What the word means, and what to do. The pages begin a line with the latter, and a sentence ends before it.
    pub fn meaning_and_advice(&self) -> (String, String) {
        let (meaning, advice) = self.text.trim_end_matches('.').rsplit_once(".\n").unwrap_or((self.text, ""));
        let one_line = |text: &str| format!("{}.", text.trim_end_matches('.').replace('\n', " "));
        (one_line(meaning), one_line(advice))
    }
}

fn entry_text(entry: &ErrorClass) -> String {
    let delay = entry.retry_after.then_some("with a delay asked for by the server");
    let operations = (!entry.operations.is_empty()).then(|| format!("for {}", entry.operations.join(", ")));
    let on: Vec<&str> = operations.as_deref().into_iter().chain(delay).collect();
    let on = if on.is_empty() { String::new() } else { format!("{}: ", on.join(", ")) };
    let effect = match entry.effect {
        Effect::None => "the call had no effect",
        Effect::Unknown => "the call may have taken effect",
    };
    let finding = match entry.finding {
        Some(Finding::Instance) => "; the job ends with findings about its instance",
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

/// Names the known word that was probably meant; empty if none is near.
fn hint(code: &str, classes: &ErrorClasses) -> String {
    let codes = classes.entries().iter().flat_map(|entry| &entry.codes).map(String::as_str);
    did_you_mean(code, word_pages().map(|page| page.word).chain(codes.filter(|code| !code.contains('*'))), "")
}

/// Codes of the cloud begin with a capital letter; words of this program never do.
fn may_be_of_the_cloud(code: &str) -> bool {
    code.starts_with(|first: char| first.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{ApiError, CHECKS, GROUPS};
    use crate::domain::Reason;
    use crate::engine::decide::delivery::Cause;
    use crate::engine::record::State;
    use crate::workflow::{Class, Overrides};

    /// Of accounts: those of the type, and that of a pause.
    const STANDINGS: [&str; 6] = ["unknown", "ok", "refused", "probing", "unreachable", "paused"];

    fn words(part: &str) -> Vec<&'static str> {
        word_pages().filter(|page| page.part == part).map(|page| page.word).collect()
    }

    fn explained(code: &str) -> Result<String, CliError> {
        of(code, &catalog(&Overrides::default()).unwrap().classes, false).map(|lines| lines.join("\n"))
    }

    #[test]
    fn every_word_has_a_page_and_every_page_a_word() {
        assert_eq!(words("Reasons"), Reason::ALL.iter().map(|reason| reason.as_str()).collect::<Vec<_>>());
        assert_eq!(words("Classes"), Class::ALL.map(Class::as_str));
        assert_eq!(words("Calls without an answer"), ["not-sent", "unanswered"]);
        assert_eq!(words("Undelivered messages"), Cause::ALL.map(|cause| cause.as_str()));
        assert_eq!(words("What needs a person"), GROUPS);
        assert_eq!(
            words("Checks"),
            CHECKS.iter().copied().filter(|check| *check != "dead-lettered").collect::<Vec<_>>()
        );
        assert_eq!(words("States of accounts"), STANDINGS);
        assert_eq!(words("States of jobs"), State::ALL.map(|state| state.as_str()));
        assert_eq!(words("Admin HTTP"), ApiError::CODES);
        let mut parts: Vec<&str> = Code::ALL.iter().map(|code| code.part()).collect();
        parts.dedup();
        for part in parts {
            let codes = Code::ALL.iter().filter(|code| code.part() == part);
            assert_eq!(words(part), codes.map(|code| code.as_str()).collect::<Vec<_>>(), "{part}");
        }
        let more = Cause::ALL.len() + GROUPS.len() + CHECKS.len() - 1 + STANDINGS.len() + State::ALL.len();
        assert_eq!(word_pages().count(), Reason::ALL.len() + Class::ALL.len() + 2 + Code::ALL.len() + more);
    }

    #[test]
    fn every_page_says_what_it_means_and_what_to_do() {
        for page in word_pages() {
            assert!(page.text.lines().count() >= 2 && page.text.ends_with('.'), "{page:?}");
            let (meaning, advice) = page.meaning_and_advice();
            assert_eq!(format!("{meaning} {advice}"), page.text.replace('\n', " "), "{page:?}");
            assert!(meaning.len() > 20 && advice.len() > 10, "{page:?}");
        }
        let page = word_pages().find(|page| page.word == "expired").unwrap();
        let (meaning, advice) = page.meaning_and_advice();
        assert!(
            meaning.starts_with("The job had not started") && meaning.ends_with("before its first write."),
            "{meaning}"
        );
        assert!(advice.starts_with("Find out what the job waited for"), "{advice}");
    }

    #[test]
    fn a_page_fits_the_terminal_and_stands_elsewhere_as_it_is_written() {
        for page in word_pages() {
            assert_eq!(page.shown(None), page.text);
            let shown = page.shown(Some(80));
            assert!(shown.lines().all(|line| line.chars().count() <= 80 || !line.contains(' ')), "{shown}");
            assert_eq!(shown.split_whitespace().collect::<String>(), page.text.split_whitespace().collect::<String>());
        }
    }

    #[test]
    fn the_list_of_all_words_is_grouped_and_fits() {
        let lines = words_by_part();
        assert!(lines.iter().all(|line| line.len() <= LIST_WIDTH), "{lines:#?}");
        assert_eq!(lines[0], "reason of an event:");
        assert!(lines[1].starts_with("  done  "), "{lines:#?}");
        let words: Vec<&str> =
            lines.iter().filter(|line| line.starts_with("  ")).flat_map(|line| line.split_whitespace()).collect();
        assert_eq!(words, word_pages().map(|page| page.word).collect::<Vec<_>>());
    }

    #[test]
    fn a_word_in_two_places_is_explained_twice() {
        let text = explained("done").unwrap();
        assert!(text.contains("done (reason of an event)") && text.contains("done (class of error codes"), "{text}");
    }

    #[test]
    fn a_code_of_the_cloud_is_explained_for_every_operation() {
        let text = explained("operationfailed.grantcrossaccountnotexist").unwrap();
        assert!(text.contains("for Revoke*: done") && text.contains("permanent; the call had no effect"), "{text}");
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
            text.contains("for Grant*, Revoke*: permanent; the call had no effect; the job ends with findings"),
            "{text}"
        );
        let json = of("InvalidInstanceId.NotFound", &catalog(&Overrides::default()).unwrap().classes, true).unwrap();
        let findings: Vec<Value> =
            json.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["finding"].clone()).collect();
        assert_eq!(findings, [Value::Null, "instance".into(), "instance".into(), Value::Null]);
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_nearest() {
        let failure = explained("atached").unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.message.contains("did you mean attached?"), "{failure}");
        assert!(explained("OperationConflicts").unwrap_err().message.contains("did you mean OperationConflict?"));
        for nonsense in ["zzz", "nonsense"] {
            let failure = explained(nonsense).unwrap_err();
            assert!(!failure.message.contains("did you mean"), "{failure}");
        }
    }

    #[test]
    fn a_code_the_table_does_not_know_is_what_the_worker_takes_it_for() {
        assert!(explained("Zzz.Qqq").unwrap().contains("unknown; the call may have taken effect"));
    }
}
