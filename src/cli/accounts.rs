//! `accounts` and `reload`: the accounts of a running worker, and its configuration read again.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::json;

use super::args::{AccountsArgs, ReloadArgs};
use super::client::AdminClient;
use super::exit::{CliError, Exit};
use super::output;
use crate::admin::{AccountView, AccountsView, Reloaded};
use crate::engine::ports::account::{AccountBudget, Standing};

/// Lists the accounts.
pub(super) async fn accounts(args: &AccountsArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let view: AccountsView = worker.get("/v1/accounts").await?;
    let lines = match args.json {
        true => view.accounts.iter().map(|account| json!(account).to_string()).collect(),
        false => table(&view.accounts),
    };
    lines.iter().try_for_each(|line| output::line(line))?;
    for fault in view.faults {
        output::note(&format!("the worker cannot use its configuration as it is now: {fault}"));
    }
    Ok(Exit::Ok)
}

/// Lets the worker read its configuration again, and prints what has changed.
pub(super) async fn reload(args: &ReloadArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let Reloaded { changes } = worker.post("/v1/reload").await?;
    if changes.is_empty() && !args.json {
        output::line("nothing has changed")?;
    }
    for change in changes {
        let effect = if change.in_force { "in force" } else { "needs a restart" };
        output::line(&match args.json {
            true => json!(change).to_string(),
            false => format!("{:<15}  {:<10}  {}", effect, change.part, change.says),
        })?;
    }
    Ok(Exit::Ok)
}

/// One row for each account, under a heading.
fn table(accounts: &[AccountView]) -> Vec<String> {
    let heading = ["ACCOUNT", "SITE", "KEYS", "KEY", "EXPIRES", "LAST SUCCESS", "BUDGET", "STATE"].map(str::to_owned);
    let rows: Vec<[String; 8]> = std::iter::once(heading).chain(accounts.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let line = |row: &[String; 8]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  "));
        cells.collect::<String>() + &row[7]
    };
    rows.iter().map(line).collect()
}

fn row(account: &AccountView) -> [String; 8] {
    let AccountView { report, site, outdated } = account;
    let time = |at: Option<Timestamp>, none: &str| {
        at.map_or_else(|| none.to_owned(), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    };
    let mut state = state(&report.standing);
    if *outdated {
        state.push_str("; another credential is configured: crossgrant reload");
    }
    [
        report.uid.to_string(),
        site.map(|site| site.to_string()).unwrap_or_default(),
        report.credential.clone(),
        report.key_end.as_ref().map(|end| format!("…{end}")).unwrap_or_default(),
        time(report.expires_at, "never"),
        time(report.last_success, "-"),
        report.budget.as_ref().map(budget).unwrap_or_default(),
        state,
    ]
}

fn state(standing: &Standing) -> String {
    match standing {
        Standing::Unknown | Standing::Ok => standing.as_str().to_owned(),
        Standing::Refused(refusal) => refusal.to_string(),
        Standing::Probing(refusal) => format!("probing, {refusal}"),
        Standing::Unreachable { since, message } => {
            format!("unreachable since {}: {message}", since.strftime("%Y-%m-%dT%H:%M:%SZ"))
        }
    }
}

fn budget(budget: &AccountBudget) -> String {
    let AccountBudget { reads_per_second, writes_per_second, slowed } = budget;
    let mut text = format!("{reads_per_second} reads/s, {writes_per_second} writes/s");
    for (operation, rate) in slowed {
        let _ = write!(text, ", {operation} {rate:.1}/s");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AccountUid, Operation, Site};
    use crate::engine::ports::account::{AccountReport, RefusedCredential};

    #[test]
    fn a_row_tells_what_is_known_of_an_account() {
        let since = "2026-11-28T16:25:16Z".parse().unwrap();
        let refusal = RefusedCredential {
            since,
            code: "SignatureDoesNotMatch".into(),
            asked: "GetCallerIdentity".into(),
            message: "no".into(),
        };
        let budget = AccountBudget {
            reads_per_second: 2.5,
            writes_per_second: 1.0,
            slowed: [(Operation::DescribeGrantRulesToCen, 1.25)].into(),
        };
        let report = AccountReport {
            uid: AccountUid::parse("1688000000000001").unwrap(),
            credential: "access-key".into(),
            key_end: Some("9xYz".into()),
            expires_at: None,
            last_success: Some(since),
            standing: Standing::Refused(refusal),
            budget: Some(budget),
        };
        let view = AccountView { report, site: Some(Site::China), outdated: true };
        let text = serde_json::to_string(&view).unwrap();
        assert_eq!(serde_json::from_str::<AccountView>(&text).unwrap(), view, "{text}");
        assert!(text.contains(r#""state":"refused","since":"2026-11-28T16:25:16Z""#), "{text}");
        let lines = table(&[view]);
        assert!(lines[0].starts_with("ACCOUNT           SITE   KEYS        KEY    EXPIRES"), "{lines:?}");
        assert_eq!(
            lines[1],
            "1688000000000001  china  access-key  …9xYz  never    2026-11-28T16:25:16Z  2.5 reads/s, 1 writes/s, \
             DescribeGrantRulesToCen 1.2/s  refused since 2026-11-28T16:25:16Z (SignatureDoesNotMatch); another credential \
             is configured: crossgrant reload"
        );
    }
}
