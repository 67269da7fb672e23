//! `approve`: lets jobs begin that an hourly limit has parked, if their number is the expected one.

use super::args::ApproveArgs;
use super::client::AdminClient;
use super::exit::{CliError, Exit};
use super::{output, text};
use crate::admin::{Approvals, Approved};

/// Lists and counts the jobs; approves them if their number is the expected one.
pub(super) async fn approve(args: &ApproveArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let query = query(args);
    let found: Approvals = worker.get(&format!("/v1/approvals?{query}")).await?;
    let (total, shown) = (found.total, found.jobs.len());
    if total == 0 {
        output::line("no job needs approval")?;
        return Ok(if matches!(args.expect_count, None | Some(0)) { Exit::Ok } else { Exit::Failed });
    }
    let Some(expected) = args.expect_count else {
        for row in text::table(&found.jobs) {
            output::line(&row)?;
        }
        if shown < total {
            tracing::warn!(shown, total, "only the newest jobs are shown");
        }
        return Err(CliError::failed(format!(
            "jobs that need approval: {total}; to approve them, add --expect-count {total}"
        )));
    };
    let path = format!("/v1/approvals?{query}&expect={expected}");
    let Approved { approved, left } = worker.post(&path).await?;
    output::line(&format!("approved: {}", approved.len()))?;
    if left > 0 {
        tracing::warn!(jobs = left, "some jobs changed at the same moment and were not approved; list them again");
    }
    Ok(if left == 0 { Exit::Ok } else { Exit::Failed })
}

fn query(args: &ApproveArgs) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for job in &args.jobs {
        query.append_pair("job", job);
    }
    query.extend_pairs(args.filter.pairs());
    query.finish()
}
