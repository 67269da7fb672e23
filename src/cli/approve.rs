//! `approve`: lets jobs begin that an hourly limit has parked, once their number is said.

use super::args::ApproveArgs;
use super::client::Worker;
use super::exit::{Exit, Failure};
use super::jobs::table;
use super::output;
use crate::admin::{Approvals, Approved};

/// Shows how many and which; approves them if that is the number that is expected.
pub(super) async fn approve(args: &ApproveArgs, worker: &Worker) -> Result<Exit, Failure> {
    let query = query(args);
    let found: Approvals = worker.get(&format!("/v1/approvals?{query}")).await?;
    let (total, shown) = (found.total, found.jobs.len());
    if total == 0 {
        output::line("no job needs approval")?;
        return Ok(if matches!(args.expect_count, None | Some(0)) { Exit::Ok } else { Exit::Failed });
    }
    let Some(expected) = args.expect_count else {
        for row in table(&found.jobs) {
            output::line(&row)?;
        }
        if shown < total {
            tracing::warn!("shows {shown} of them");
        }
        return Err(Failure::failed(format!(
            "jobs that need approval: {total}; to approve them, --expect-count {total}"
        )));
    };
    let path = format!("/v1/approvals?{query}&expect={expected}");
    let Approved { approved, left } = worker.post(&path).await?;
    output::line(&format!("approved: {}", approved.len()))?;
    if left > 0 {
        tracing::warn!("{left} changed at the same moment and are not; look again");
    }
    Ok(if left == 0 { Exit::Ok } else { Exit::Failed })
}

fn query(args: &ApproveArgs) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for job in &args.jobs {
        query.append_pair("job", job);
    }
    for (name, value) in [
        ("kind", &args.kind),
        ("instance", &args.instance),
        ("cen", &args.cen),
        ("requester", &args.requester),
        ("label", &args.label),
    ] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    query.finish()
}
