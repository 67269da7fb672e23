//! Now: what needs a person, with the button that mends it; the hour; accounts, checks and messages.

use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use super::asked::{Asked, query, segment};
use super::mark::{account_link, age, check, code, command as button, done, said, sentence as spelt, state, time};
use super::trouble::Trouble;
use super::view::{Live, Shown, View};
use crate::admin::{AccountStatus, AccountView, AccountsView, AdminRole, Need, Status};
use crate::cli::bytes;
use crate::clock::until;
use crate::domain::{AccountUid, spoken};
use crate::engine::record::State;

pub(super) async fn show(asked: &Asked) -> Result<View, Trouble> {
    let status: Status = asked.get("/v1/status").await?;
    let accounts: AccountsView = asked.get("/v1/accounts").await?;
    let content = html! {
        (done(asked, &[("paused", "The account is paused."), ("unpaused", "The pause of the account has ended.")]))
        section data-part="sentence" .sentence { (sentence(&status)) }
        section data-part="needs" aria-labelledby="needs" {
            h2 #needs { "Needs a person" }
            @if status.needs.is_empty() { p.calm { (state("ok", false)) " Nothing." } }
            @else { ul.needs { @for need in &status.needs { (needed(asked, need)) } } }
        }
        section data-part="hour" aria-labelledby="hour" {
            h2 #hour { "The hour" }
            (hour(&status, asked))
        }
        section data-part="accounts" aria-labelledby="accounts" {
            h2 #accounts { "Accounts" }
            (table(asked, &status, &accounts))
        }
        section data-part="checks" aria-labelledby="checks" {
            h2 #checks { "Worker" }
            (checks(&status))
        }
    };
    Ok(View::of("Now", content).live(Live::Everything))
}

/// Everything in a breath: what needs a person first, then what goes on by itself.
fn sentence(status: &Status) -> Markup {
    let count = |state: State| status.jobs.get(&state).copied().unwrap_or_default();
    let (waiting, causes) = (count(State::Waiting), causes(&status.needs));
    html! {
        h1 {
            @if causes.is_empty() { "Nothing needs a person." }
            @else {
                @for (place, (cause, count)) in causes.iter().take(3).enumerate() {
                    @if place > 0 { ", " }
                    strong.alarm { (count) " " (said(cause)) }
                }
                @if causes.len() > 3 { ", and " (causes.len() - 3) " more" }
            }
        }
        p.lead {
            (count(State::Queued)) " queued, " (count(State::Running)) " running, "
            (waiting) " waiting for the hour"
            @if waiting > 0 { ", the next at " (clock(status.next_hour)) " in " (spoken(until(status.now, status.next_hour))) }
            ". " (status.outbox) " messages to publish."
        }
    }
}

/// How often each cause is there, in the order of the groups.
fn causes(needs: &[Need]) -> Vec<(&str, u64)> {
    let mut causes: Vec<(&str, u64)> = Vec::new();
    for need in needs {
        match causes.iter_mut().find(|(cause, _)| *cause == need.cause) {
            Some((_, count)) => *count += need.count,
            None => causes.push((&need.cause, need.count)),
        }
    }
    causes
}

fn clock(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.strftime("%H:%MZ")) } }
}

/// A group of the status, with what mends it.
fn needed(asked: &Asked, need: &Need) -> Markup {
    let moments = asked.moments();
    let mends = need.mends.as_ref().map(|mends| {
        let role = if mends.command == "approve" { AdminRole::Approver } else { AdminRole::Operator };
        (mends, asked.may(role))
    });
    html! {
        li.need {
            p.count { strong { (need.count) } }
            div {
                p.cause {
                    (code(&need.cause))
                    @if let Some(account) = &need.account { span.hint { " account " } (account_link(account)) }
                    @if let Some(oldest) = need.oldest { span.hint { " oldest " (age(oldest, &moments)) } }
                }
                @if !need.says.is_empty() { p.says { (spelt(&need.says)) } }
                @if let Some(jobs) = &need.jobs { p { a href=(format!("/jobs?{jobs}")) { "Show these jobs" } } }
                @if let Some((mends, may)) = mends {
                    @if may {
                        (button(
                            asked,
                            &format!("/bulk/{}?{}", mends.command, mends.filter),
                            &format!("{} {}", capital(&mends.command), need.count),
                            "Does nothing if the number has changed by then.",
                            false,
                            &[("expect", need.count.to_string())],
                        ))
                    } @else { p.hint { "A token with more rights can type: " code { (said(&need.command)) } } }
                } @else if need.cause == "undeliverable" { p { a href="/dead" { "Show the messages" } } }
                @else if need.jobs.is_none() { p.hint { "To find out more: " code { (said(&need.command)) } } }
            }
        }
    }
}

/// A number of jobs.
pub(super) fn jobs(count: impl std::fmt::Display) -> String {
    let count = count.to_string();
    format!("{count} {}", if count == "1" { "job" } else { "jobs" })
}

pub(super) fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The width of the bar, in its own units.
const BAR: u64 = 600;

/// The billing hour as a bar: how much of it has passed, and how many jobs wait for an hour.
fn hour(status: &Status, asked: &Asked) -> Markup {
    let length = status.hour_seconds.max(1);
    let left = until(status.now, status.next_hour).as_secs().min(length);
    let now = BAR * (length - left) / length;
    let waiting = status.jobs.get(&State::Waiting).copied().unwrap_or_default();
    let open = status.jobs.get(&State::Queued).copied().unwrap_or_default()
        + status.jobs.get(&State::Running).copied().unwrap_or_default();
    let mark = |quarter: u64| {
        if length == 3600 { format!(":{:02}", quarter * 15 % 60) } else { format!("{} s", length * quarter / 4) }
    };
    html! {
        figure.hour {
            svg viewBox="0 0 600 34" preserveAspectRatio="none" role="img" aria-label=(format!("{} of the hour are left", spoken(std::time::Duration::from_secs(left)))) {
                rect.rest x="0" y="6" width="600" height="22" rx="3" {}
                rect.past x="0" y="6" width=(now) height="22" rx="3" {}
                @for quarter in 1..4 { rect.tick x=(quarter * 150) y="6" width="1" height="22" {} }
                rect.now x=(now.min(BAR - 3)) y="0" width="3" height="34" {}
                @if waiting > 0 { rect.goal x="594" y="0" width="6" height="34" {} }
            }
            ol.marks aria-hidden="true" { @for quarter in 0..5 { li { (mark(quarter)) } } }
            figcaption {
                strong { (waiting) } " wait for a new payer to be in force. The next hour begins at " (time(status.next_hour, &asked.moments()))
                ", in " (spoken(std::time::Duration::from_secs(left))) ". "
                @if open > 0 { strong { (open) } " more are on their way; those whose last write is made after the hour wait for the next one." }
            }
        }
    }
}

fn table(asked: &Asked, status: &Status, view: &AccountsView) -> Markup {
    let moments = asked.moments();
    let paused = |account: &AccountView| {
        status.accounts.iter().find(|other| other.state == "paused" && other.account == account.report.uid)
    };
    let configured = |uid: &AccountUid| view.accounts.iter().any(|account| account.report.uid == *uid);
    let others: Vec<&AccountStatus> = status.accounts.iter().filter(|one| !configured(&one.account)).collect();
    html! {
        div.wide {
            table.accounts {
                thead { tr {
                    th scope="col" { "Account" } th scope="col" { "State" } th scope="col" { "Key" }
                    th scope="col" { "Last answer" } th scope="col" { "Pause" }
                } }
                tbody {
                    @for account in &view.accounts {
                        @let AccountView { report, site, outdated } = account;
                        @let pause = paused(account);
                        tr {
                            th scope="row" { (account_link(&report.uid)) @if let Some(site) = site { " " span.hint { (site) } } }
                            td {
                                @if let Some(pause) = pause { (state("held", false)) span.hint { " paused " (said(&pause.detail)) } }
                                @else { (state(report.standing.as_str(), !report.standing.is_usable())) }
                                @if let Some(says) = report.standing.says() { p.says { (said(&says)) } }
                            }
                            td.key { (said(&report.credential)) @if let Some(end) = &report.key_end { " …" (said(end)) }
                                @if *outdated { " " span.tag { "outdated" } } }
                            td.last { @match report.last_success { Some(at) => (age(at, &moments)), None => "none" } }
                            td { (pausing(asked, report.uid.as_str(), pause)) }
                        }
                    }
                    @for one in others {
                        tr {
                            th scope="row" { (account_link(&one.account)) }
                            td { (state(&one.state, false)) p.says { (said(&one.detail)) } }
                            td { "not configured" } td { "none" }
                            td { (pausing(asked, one.account.as_str(), Some(one))) }
                        }
                    }
                }
            }
        }
    }
}

fn pausing(asked: &Asked, uid: &str, pause: Option<&AccountStatus>) -> Markup {
    let (word, label, does) = match pause {
        Some(_) => ("unpause", "End the pause", "The jobs that are held start again."),
        None => ("pause", "Pause", "No job of this account starts until the pause ends. Those that have begun go on."),
    };
    html! {
        @if let Some(held) = pause.and_then(|pause| pause.held) { p.hint { (jobs(held)) " held" } }
        @if asked.may(AdminRole::Operator) {
            details id=(format!("pause-{uid}")) {
                summary { (label) }
                (button(asked, &format!("/accounts/{uid}/{word}"), label, does, false, &[]))
            }
        }
    }
}

fn checks(status: &Status) -> Markup {
    let running = spoken(std::time::Duration::from_secs(status.running_seconds));
    html! {
        ul.checks {
            @for one in &status.checks {
                li {
                    (check(&one.name, one.ok, !one.ok && one.needed))
                    @if let Some(detail) = &one.detail { p.says { (spelt(detail)) } }
                }
            }
        }
        dl.facts {
            div { dt { "Version" } dd { (said(&status.version)) } }
            div { dt { "Workers" } dd { (status.workers) } }
            div { dt { "Running for" } dd { (running) } }
            div { dt { "Store" } dd { (bytes(status.store_bytes)) } }
            div { dt { "Messages to publish" } dd { (status.outbox) } }
            div { dt { "Rejected jobs kept" } dd { a href="/dead" { (status.rejected) } } }
            div { dt { "Open batches" } dd { a href="/batches" { (status.batches.open) } } }
        }
    }
}

/// Pauses an account, or ends its pause.
pub(super) async fn command(asked: &Asked) -> Result<Shown, Trouble> {
    let (uid, word) = (asked.named("uid"), asked.named("command"));
    let past = match word {
        "pause" => "paused",
        "unpause" => "unpaused",
        _ => return Err(Trouble::none(format!("there is no command {word}"))),
    };
    let said = asked.mandate()?;
    let said = query(said.iter().map(|(key, value)| (*key, value.as_str())));
    asked.post::<Value>(&format!("/v1/accounts/{}/{word}?{said}", segment(uid)), String::new()).await?;
    Ok(Shown::See(format!("/?done={past}")))
}
