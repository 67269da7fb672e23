use std::collections::BTreeSet;
use std::time::Duration;

use super::shown;
use crate::domain::{Code, Kind};
use crate::workflow::verb::samples::VERBS;
use crate::workflow::{ActsAs, Call, Definition, Policies, Refused, Target, Work};

const GOOD: &str = r#"
workflow = "payer-change"
summary = "For tests."

[[step]]
name = "look"
about = "Looks."
call = "survey-payer"
as = "readers"
retry = "read"
timeout = "1m 30s"
on = { satisfied = "end", pending = "sleep", attached = "change", unattached = "sleep" }

[[step]]
name = "change"
about = "Changes."
call = "modify-grant"
as = "resource"
retry = "write"
timeout = "30s"
undo = "modify-grant"
refused = "retry"

[[step]]
name = "sleep"
about = "Waits."
wait = "hour"
emit = "waiting"
"#;

fn policies() -> Policies {
    Policies::load(include_str!("../../../workflows/policies.toml"), None).unwrap()
}

fn parse(text: &str) -> Result<Definition, Vec<String>> {
    Definition::parse("workflows/x.toml", text, &VERBS, &policies()).map_err(|found| shown(&found))
}

/// The problems after replacing a part of the good definition.
fn problems(from: &str, to: &str) -> Vec<String> {
    assert_eq!(GOOD.matches(from).count(), 1, "`{from}` must be there once");
    parse(&GOOD.replace(from, to)).expect_err("it must be refused")
}

#[test]
fn a_good_definition_says_everything_the_engine_asks_of_it() {
    let definition = parse(GOOD).unwrap();
    assert_eq!((definition.kind, definition.summary.as_str()), (Kind::PayerChange, "For tests."));
    assert_eq!(definition.source(), GOOD);
    let names: Vec<_> = definition.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["look", "change", "sleep"]);
    let look = definition.first();
    assert_eq!(look.call().unwrap().timeout, Duration::from_secs(90));
    assert_eq!(definition.after(look, "satisfied"), Some(Target::End));
    assert_eq!(definition.after(look, "attached"), Some(Target::Step("change".to_owned())));
    assert_eq!(definition.after(look, "done"), None);
    let change = definition.step("change").unwrap();
    let expected = Call {
        verb: "modify-grant".to_owned(),
        acts_as: ActsAs::Resource,
        retry: "write".to_owned(),
        timeout: Duration::from_secs(30),
        undo: Some("modify-grant".to_owned()),
        refused: Refused::Retry,
        on: [("done".to_owned(), Target::Step("sleep".to_owned()))].into(),
    };
    assert_eq!(change.work, Work::Call(expected));
    let sleep = definition.step("sleep").unwrap();
    assert_eq!(sleep.work, Work::Wait { next: Target::End });
    assert_eq!(definition.after(sleep, "done"), Some(Target::End));
    assert_eq!(definition.step("nothing"), None);
}

#[test]
fn a_refusal_is_undone_unless_the_definition_says_otherwise() {
    let definition = parse(&GOOD.replace("refused = \"retry\"\n", "")).unwrap();
    assert_eq!(definition.step("change").unwrap().call().unwrap().refused, Refused::Undo);
}

#[test]
fn a_step_goes_on_where_next_says() {
    let definition = parse(&GOOD.replace("refused = \"retry\"", "next = \"end\"")).unwrap();
    let change = definition.step("change").unwrap();
    assert_eq!(definition.after(change, "done"), Some(Target::End));
}

#[test]
fn the_digest_is_of_what_is_said_and_not_of_how() {
    let digest = |text: &str| parse(text).unwrap().digest().to_owned();
    let first = digest(GOOD);
    assert_eq!(first.len(), 64);
    let restyled = format!("# why\r\n{}", GOOD.replace(" = ", "   =  ").replace('\n', "\r\n"));
    assert_eq!(digest(&restyled), first);
    let reordered = GOOD.replace("as = \"resource\"\nretry = \"write\"", "retry = 'write'\nas = \"resource\"");
    assert_ne!(reordered, GOOD);
    assert_eq!(digest(&reordered), first);
    assert_ne!(digest(&GOOD.replace("\"30s\"", "\"31s\"")), first);
    assert_ne!(digest(&GOOD.replace("pending = \"sleep\"", "pending = \"end\"")), first);
}

#[test]
fn each_mistake_is_found_on_its_line() {
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "retry = \"read\"",
            "retrie = \"read\"",
            &[
                "5: `retry` is missing in `[[step]]`",
                "10: unknown key `retrie` in a step that calls; did you mean `retry`? (known: `name`, `about`, `call`, `as`, \
             `retry`, `timeout`, `on`, `next`, `undo`, `refused`)",
            ],
        ),
        (
            "emit = \"waiting\"",
            "emit = \"waiting\"\nretry = \"read\"",
            &["29: unknown key `retry` in a step that waits (known: `name`, `about`, `wait`, `emit`, `next`)"],
        ),
        (
            "summary =",
            "sumary =",
            &[
                "1: `summary` is missing in this file",
                "3: unknown key `sumary` in this file; did you mean `summary`? (known: `workflow`, `summary`, `step`)",
            ],
        ),
        (
            "\"payer-change\"",
            "\"payer\"",
            &["2: `payer` is not a kind of job (known: `grant`, `revoke`, `payer-change`)"],
        ),
        (
            "name = \"change\"",
            "name = \"look\"",
            &["12: there is no step `change`", "15: the step on line 6 has the name `look` already"],
        ),
        (
            "name = \"look\"",
            "name = \"Look_up\"",
            &["6: the name of a step must be lower-case words joined by `-`, not `Look_up`"],
        ),
        (
            "name = \"look\"",
            "name = \"end\"",
            &["6: a step cannot be called `end`: the word stands for the end of a workflow"],
        ),
        ("about = \"Looks.\"", "about = \" \"", &["7: `about` is empty"]),
        (
            "\"survey-payer\"",
            "\"survey-payers\"",
            &["8: there is no verb `survey-payers`; did you mean `survey-payer`?"],
        ),
        (
            "as = \"resource\"",
            "as = \"transit-router\"",
            &["18: `modify-grant` acts as `resource`, not as `transit-router`"],
        ),
        (
            "as = \"resource\"",
            "as = \"resorce\"",
            &[
                "18: `as` cannot be `resorce`; did you mean `resource`? (known: `resource`, `transit-router`, `readers`)",
            ],
        ),
        ("retry = \"write\"", "retry = \"writes\"", &["19: there is no retry policy `writes`; did you mean `write`?"]),
        (
            "\"30s\"",
            "\"soon\"",
            &["20: `timeout` must be a duration longer than zero, such as \"20s\" or \"1h 30m\", not \"soon\""],
        ),
        (
            "\"30s\"",
            "\"0s\"",
            &["20: `timeout` must be a duration longer than zero, such as \"20s\" or \"1h 30m\", not \"0s\""],
        ),
        ("\"30s\"", "30", &["20: `timeout` must be a duration in quotes, such as \"20s\", not a number"]),
        (", unattached = \"sleep\"", "", &["12: `on` does not say where `unattached` of `survey-payer` leads"]),
        (
            "unattached =",
            "unatached =",
            &[
                "12: `on` does not say where `unattached` of `survey-payer` leads",
                "12: `survey-payer` has no outcome `unatached`; did you mean `unattached`?",
            ],
        ),
        ("attached = \"change\"", "attached = \"chance\"", &["12: there is no step `chance`; did you mean `change`?"]),
        (
            "refused = \"retry\"",
            "next = \"look\"",
            &["22: `change` leads back to `look`: a step may only lead to a later one"],
        ),
        (
            "refused = \"retry\"",
            "next = \"change\"",
            &["22: `change` leads back to `change`: a step may only lead to a later one"],
        ),
        (
            "refused = \"retry\"",
            "on = { done = \"end\" }",
            &["22: `modify-grant` has one outcome, `done`: use `next` instead of `on`"],
        ),
        (
            "timeout = \"1m 30s\"",
            "timeout = \"1m 30s\"\nnext = \"end\"",
            &[
                "12: `survey-payer` has several outcomes: use `on` instead of `next`",
                "13: a step has either `on` or `next`",
            ],
        ),
        ("attached = \"change\"", "attached = \"end\"", &["14: no step leads to `change`"]),
        (
            "timeout = \"1m 30s\"",
            "timeout = \"1m 30s\"\nundo = \"revoke\"\nrefused = \"undo\"",
            &[
                "12: `undo` makes no sense here: `survey-payer` writes nothing",
                "13: `refused` makes no sense here: `survey-payer` writes nothing",
            ],
        ),
        (
            "undo = \"modify-grant\"",
            "undo = \"survey-payer\"",
            &["21: `survey-payer` writes nothing, so it undoes nothing"],
        ),
        (
            "undo = \"modify-grant\"",
            "undo = \"update-attachments\"",
            &[
                "21: `modify-grant` acts as `resource` and can only be undone as the same; `update-attachments` acts as \
             `transit-router`",
            ],
        ),
        (
            "undo = \"modify-grant\"",
            "undo = \"modify\"",
            &["21: there is no verb `modify`; did you mean `modify-grant`?"],
        ),
        ("refused = \"retry\"", "refused = \"stop\"", &["22: `refused` cannot be `stop` (known: `undo`, `retry`)"]),
        ("emit = \"waiting\"", "", &["24: `emit` is missing in `[[step]]`"]),
        ("emit = \"waiting\"", "emit = \"completed\"", &["28: `emit` cannot be `completed` (known: `waiting`)"]),
        ("wait = \"hour\"", "wait = \"day\"", &["27: `wait` cannot be `day` (known: `hour`)"]),
        (
            "wait = \"hour\"",
            "wait = \"hour\"\ncall = \"revoke\"",
            &["24: a step has either `call` or `wait`; this one has both `call` and `wait`"],
        ),
        (
            "call = \"modify-grant\"",
            "",
            &["14: a step has either `call` or `wait`; this one has neither `call` nor `wait`"],
        ),
        ("summary = \"For tests.\"", "summary = \"For tests.", &["3: invalid basic string, expected `\"`"]),
    ];
    let mut met = BTreeSet::new();
    for (from, to, expected) in cases {
        let expected: Vec<_> = expected.iter().map(|line| format!("workflows/x.toml:{line}")).collect();
        let mut found = problems(from, to);
        found.sort();
        let mut sorted = expected.clone();
        sorted.sort();
        assert_eq!(found, sorted, "{from} -> {to}");
        let text = GOOD.replace(from, to);
        let problems = Definition::parse("workflows/x.toml", &text, &VERBS, &policies()).unwrap_err();
        met.extend(problems.iter().map(|problem| problem.code));
    }
    let all = Code::ALL.iter().copied().filter(|code| code.part() == "Workflow files");
    // Of a whole set of files, and of a file as a whole.
    let elsewhere = [Code::WorkflowIncomplete, Code::WorkflowUnusable];
    assert_eq!(met, all.filter(|code| !elsewhere.contains(code)).collect());
}

#[test]
fn all_problems_come_together_from_top_to_bottom() {
    let text = GOOD.replace("\"payer-change\"", "\"payer\"").replace("\"30s\"", "\"x\"").replace("\"hour\"", "\"day\"");
    let lines: Vec<_> =
        parse(&text).unwrap_err().iter().map(|found| found.split(':').nth(1).unwrap().to_owned()).collect();
    assert_eq!(lines, ["2", "20", "27"]);
}

#[test]
fn a_workflow_without_steps_is_none() {
    let found = parse("workflow = \"grant\"\nsummary = \"Nothing.\"").unwrap_err();
    assert_eq!(found, ["workflows/x.toml:1: a workflow needs at least one `[[step]]`"]);
}

#[test]
fn a_stored_definition_reads_back_as_the_same() {
    let definition = parse(GOOD).unwrap();
    assert_eq!(parse(definition.source()).unwrap(), definition);
}
