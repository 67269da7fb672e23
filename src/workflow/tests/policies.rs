use std::time::Duration;

use super::shown;
use crate::workflow::{BadRetryPolicy, Policies, RetryPolicy};

const EMBEDDED: &str = include_str!("../../../workflows/policies.toml");

fn with(text: &str) -> Result<Policies, Vec<String>> {
    Policies::load(EMBEDDED, Some(("my.toml", text))).map_err(|found| shown(&found))
}

#[test]
fn the_embedded_policies_are_those_of_the_design() {
    let policies = Policies::load(EMBEDDED, None).unwrap();
    assert_eq!(policies.settle, Duration::from_secs(30));
    assert_eq!(policies.settle_poll, Duration::from_secs(3));
    assert_eq!(policies.overdue_after, Duration::from_secs(3 * 3600));
    assert_eq!(policies.give_up_after, Duration::from_secs(48 * 3600));
    assert_eq!(policies.keys_patience, Duration::from_secs(300));
    assert_eq!(policies.sweep_offsets, [30, 120, 300, 900].map(Duration::from_secs));
    assert!(policies.lease >= 3 * policies.request_timeout);
    assert_eq!(policies.busy().initial(), Duration::from_secs(3));
    // API §D.3: class S starts at 5 to 15 s and is given tens of minutes at least.
    assert!((5..=15).contains(&policies.state().initial().as_secs()));
    assert!(policies.state().give_up() >= Duration::from_secs(1800));
}

#[test]
fn an_override_changes_what_it_names_and_nothing_else() {
    let before = Policies::load(EMBEDDED, None).unwrap();
    let after = with("[retry.read]\ncap = \"1h 30m\"\n[timing]\nsweep-offsets = [\"10s\"]").unwrap();
    let read = after.retry("read").unwrap();
    assert_eq!(read.cap(), Duration::from_secs(5400));
    assert_eq!(after.sweep_offsets, [Duration::from_secs(10)]);
    let old = before.retry("read").unwrap();
    assert_eq!((read.initial(), read.give_up()), (old.initial(), old.give_up()));
    assert_eq!(after.retry("write"), before.retry("write"));
    assert_eq!(Policies { retry: before.retry.clone(), sweep_offsets: before.sweep_offsets.clone(), ..after }, before);
}

#[test]
fn each_mistake_is_found_where_the_operator_made_it() {
    let cases: &[(&str, &[&str])] = &[
        (
            "\n[retry.raed]\ncap = \"1m\"",
            &[
                "my.toml:2: unknown key `raed` in `[retry]`; did you mean `read`? (known: `read`, `write`, `busy`, `state`, `unclear`)",
            ],
        ),
        (
            "[retry.read]\nmax = \"1m\"",
            &[
                "my.toml:2: unknown key `max` in `[retry.read]` (known: `initial`, `factor`, `cap`, `jitter`, `give-up`)",
            ],
        ),
        ("[retry.read]\nfactor = 0.5", &["my.toml:2: `factor` must be a number of at least 1 in retry policy `read`"]),
        ("[retry.read]\nfactor = nan", &["my.toml:2: `factor` must be a number of at least 1 in retry policy `read`"]),
        ("[retry.read]\nfactor = \"2\"", &["my.toml:2: `factor` must be a decimal number, not a string"]),
        (
            "[retry.read]\njitter = 1",
            &["my.toml:2: `jitter` must be at least 0 and less than 1 in retry policy `read`"],
        ),
        ("[retry.read]\n\ninitial = \"2h\"", &["my.toml:3: `cap` must be at least `initial` in retry policy `read`"]),
        ("[retry.read]\ncap = \"1ms\"", &["my.toml:2: `cap` must be at least `initial` in retry policy `read`"]),
        (
            "[retry.read]\ngive-up = \"1ms\"",
            &["my.toml:2: `give-up` must be at least `initial` in retry policy `read`"],
        ),
        (
            "[retry.read]\ninitial = \"-3s\"",
            &["my.toml:2: `initial` must be a duration longer than zero, such as \"20s\" or \"1h 30m\", not \"-3s\""],
        ),
        ("[timing]\nlease = \"20s\"", &["my.toml:2: `lease` must be at least three times `request-timeout`"]),
        ("[timing]\nsettle-poll = \"1m\"", &["my.toml:2: `settle-poll` must not be longer than `settle`"]),
        ("[timing]\nsweep-offsets = [\"2m\", \"1m\"]", &["my.toml:2: `sweep-offsets` must ascend"]),
        ("[timing]\nsweep-offsets = \"2m\"", &["my.toml:2: `sweep-offsets` must be a list of durations, not a string"]),
        ("[timing]\ngive-up-after = \"1h\"", &["my.toml:2: `give-up-after` must not be shorter than `overdue-after`"]),
        ("timing = 1", &["my.toml:1: `timing` must be a table, `[timing]`, not a number"]),
        (
            "a = 1\n[timing]\nb = 1\nsettle = 3",
            &[
                "my.toml:1: unknown key `a` in this file (known: `retry`, `timing`)",
                "my.toml:3: unknown key `b` in `[timing]` (known: `request-timeout`, `lease`, `keys-patience`, `settle`, `settle-poll`, `attachments-recheck`, \
             `overdue-after`, `give-up-after`, `sweep-offsets`)",
                "my.toml:4: `settle` must be a duration in quotes, such as \"20s\", not a number",
            ],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(with(text).unwrap_err(), *expected, "{text}");
    }
}

#[test]
fn a_retry_policy_that_makes_no_sense_cannot_be_made() {
    let secs = Duration::from_secs;
    let made = |initial, factor, cap, jitter, give_up| {
        RetryPolicy::new(secs(initial), factor, secs(cap), jitter, secs(give_up))
    };
    assert!(made(1, 1.0, 1, 0.0, 1).is_ok());
    assert_eq!(made(0, 1.0, 1, 0.0, 1), Err(BadRetryPolicy::Initial));
    assert_eq!(made(1, 0.9, 1, 0.0, 1), Err(BadRetryPolicy::Factor));
    assert_eq!(made(1, f64::INFINITY, 1, 0.0, 1), Err(BadRetryPolicy::Factor));
    assert_eq!(made(2, 1.0, 1, 0.0, 2), Err(BadRetryPolicy::Cap));
    assert_eq!(made(1, 1.0, 1, 1.0, 1), Err(BadRetryPolicy::Jitter));
    assert_eq!(made(1, 1.0, 1, f64::NAN, 1), Err(BadRetryPolicy::Jitter));
    assert_eq!(made(2, 1.0, 2, 0.0, 1), Err(BadRetryPolicy::GiveUp));
}
