//! `plan`: shows what jobs would do, and their sum. The cloud is read once for each job, some jobs at a time; nothing is written and nothing kept.

mod job_plan;
mod sum;

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use uuid::Uuid;

use super::args::PlanArgs;
use super::engine::{CloudAccess, accounts, catalog};
use super::exit::{CliError, Exit};
use super::input::{self, REQUESTER};
use super::moments::Moments;
use super::output;
use super::planned::{Invalid, JobAnswer, NoJobAnswer, PlanAnswer, Refused, Verdict};
use super::progress::ProgressLine;
use super::terminal::{columns, folded};
use super::text::{INDENT, field, image};
use crate::actions;
use crate::clock::{Clock, SystemClock};
use crate::cloud::Unobserved;
use crate::config::Config;
use crate::domain::{Code, JobUid, Reason, Requester};
use crate::engine::decide::decision::Context;
use crate::engine::loops::plan;
use crate::engine::policy::Policy;
use crate::engine::ports::cloud::Readers;
use crate::engine::record::{Record, State};
use job_plan::{JobPlan, Planning};
use sum::Sum;

/// Plans each job of a file.
pub(super) async fn plan(args: &PlanArgs, config: impl FnOnce() -> Result<Config, CliError>) -> Result<Exit, CliError> {
    let jobs: Vec<bytes::Bytes> = input::jobs(&args.file)?.into_iter().flat_map(input::each).collect();
    if jobs.is_empty() {
        return Err(CliError::usage("there is no job to plan").code(Code::NoJob));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (access, policy) = match &args.cloud.simulate {
        Some(file) => (CloudAccess::simulated(file.as_deref(), args.hour, Arc::clone(&clock))?, Policy::everybody()),
        None => {
            let config = config()?;
            let access =
                CloudAccess::configured(&config).map_err(|failure| failure.hint("--simulate works without one"))?;
            (access, config.policy())
        }
    };
    let (progress, total, limits) = (ProgressLine::new(), jobs.len(), access.limits.clone());
    let mut sum = Sum::default();
    progress.show(&format!("0 of {total} planned"));
    plans(&jobs, access, &policy, args.requester.as_ref(), clock, |plan| {
        let body = &jobs[sum.jobs()];
        sum.add(&plan);
        progress.clear();
        let mut lines = if args.json { vec![object(&plan).to_string()] } else { page(&plan, &Moments::on_stdout()) };
        if plan.is_err() && !args.json {
            lines[0] = format!("{}: {}", named(sum.jobs(), body), lines[0]);
        }
        let columns = columns(std::io::stdout()).filter(|_| !args.json);
        folded(lines, columns, INDENT).iter().try_for_each(|line| output::line(line))?;
        progress.show(&format!("{} of {total} planned", sum.jobs()));
        Ok(())
    })
    .await?;
    progress.clear();
    if total > 1 {
        output::note(&sum.text(limits.as_ref()));
        sum.more(policy.limits(), &Moments::on_stdout()).iter().for_each(|line| output::note(&format!("  {line}")));
    }
    Ok(if sum.all_would_be_done() { Exit::Ok } else { Exit::Failed })
}

/// Which of the jobs of a file one is that cannot be read as one.
fn named(place: usize, body: &[u8]) -> String {
    let id = input::field(body, "id").map(|id| format!(" ({id})")).unwrap_or_default();
    format!("job {place}{id}")
}

/// How many jobs are planned at a time: a payer change of a network that is attached nowhere waits some seconds for its second look. The
/// budget of calls still holds for all of them together.
const AT_ONCE: usize = 32;

/// Plans jobs, some at a time, and gives the plans to `each` in the order of the jobs.
async fn plans(
    jobs: &[bytes::Bytes],
    access: CloudAccess,
    policy: &Policy,
    asks: Option<&Requester>,
    clock: Arc<dyn Clock>,
    mut each: impl FnMut(Planning) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let (catalog, registry, hour) = (catalog(&access.overrides)?, actions::registry(), access.hour);
    // Planning gets readers only, so it cannot write.
    let readers: Arc<dyn Readers> = Arc::new(accounts(access, &catalog, &clock, Arc::new(Unobserved))?);
    let local = Requester::parse(REQUESTER).map_err(CliError::failed)?;
    let planning = async |body: &bytes::Bytes| -> Planning {
        let mut job = input::parse(body)?;
        // The plan is for now, even if the job may not start yet.
        job.not_before = None;
        let definition = catalog.definition(job.kind);
        let rules = Context {
            definition,
            registry: &registry,
            policies: &catalog.policies,
            classes: &catalog.classes,
            hour,
            told: true,
        };
        let (digest, first) = (definition.digest(), &definition.first().name);
        let admitted = match asks {
            Some(requester) => {
                policy.refuses(requester, &job).map_or(Ok(vec![requester.to_string()]), |(_, why)| Err(why))
            }
            None => policy.admits(&job).map(|names| names.into_iter().map(str::to_owned).collect()),
        };
        let objections = policy.objections(&job);
        let requester = asks.unwrap_or(&local).clone();
        let record = Record::new(JobUid(Uuid::nil()), requester, job, digest, first, clock.now());
        // The user of this command has the keys of the accounts, so the cloud is read even if the policy refuses the job.
        let record = plan::plan(readers.as_ref(), clock.as_ref(), &rules, objections, record).await;
        Ok(JobPlan { admitted, record: Box::new(record) })
    };
    let mut made = stream::iter(jobs).map(planning).buffered(AT_ONCE);
    while let Some(plan) = made.next().await {
        each(plan)?;
    }
    Ok(())
}

fn verdict(record: &Record) -> Verdict {
    match record.state() {
        State::Planned => Verdict::Planned,
        State::Failed => Verdict::Failed,
        _ => Verdict::Unclear,
    }
}

fn object(planning: &Planning) -> Value {
    let JobPlan { admitted, record } = match planning {
        Ok(plan) => plan,
        Err(faults) => return json!(PlanAnswer::NoJob(NoJobAnswer { verdict: Invalid::Invalid, faults })),
    };
    let (plan, ending) = (record.plan.as_ref(), record.phase.ending());
    json!(PlanAnswer::Job(Box::new(JobAnswer {
        id: &record.job.id,
        requesters: admitted.as_deref().ok(),
        refused: admitted.as_ref().err().map(|message| Refused { reason: Reason::RefusedByPolicy, message }),
        verdict: verdict(record),
        reason: ending.map(|ending| ending.reason),
        message: &record.why,
        findings: ending.map(|ending| &*ending.findings),
        plan: plan.map(|plan| &*plan.calls),
        before: record.before.as_ref(),
        after: plan.and(record.after.as_ref()),
        effective_from: plan.and_then(|plan| plan.effective_from),
    })))
}

fn page(planning: &Planning, moments: &Moments) -> Vec<String> {
    let JobPlan { admitted, record } = match planning {
        Ok(plan) => plan,
        Err(faults) => {
            let faults = faults.iter().map(|fault| field("fault", format!("{fault} [{}]", fault.code)));
            return std::iter::once("not a valid job".to_owned()).chain(faults).collect();
        }
    };
    let job = &record.job;
    let mut lines = vec![format!("{} {} of {} in {}", job.kind, job.id, job.instance.id, job.cen.id)];
    lines.push(match admitted {
        Ok(names) => field("may ask", names.join(", ")),
        Err(why) => field("refused", format!("{why} ({0}; `crossgrant explain {0}`)", Reason::RefusedByPolicy)),
    });
    let reason = record.phase.ending().filter(|_| record.state() != State::Planned);
    let reason = reason.map(|ending| format!(" ({}; `crossgrant explain {0}`)", ending.reason));
    let otherwise = if admitted.is_err() { "otherwise: " } else { "" };
    lines.push(field(verdict(record).as_str(), format!("{otherwise}{}{}", record.why, reason.unwrap_or_default())));
    // The findings of a planned job begin with its calls, which are listed below.
    let calls = record.plan.iter().filter(|_| record.state() == State::Planned).map(|plan| plan.calls.len()).sum();
    let findings = record.phase.ending().into_iter().flat_map(|ending| &ending.findings).skip(calls);
    lines.extend(findings.map(|finding| field("finding", finding)));
    let Some(plan) = &record.plan else { return lines };
    lines.extend((record.state() != State::Planned).then(|| field("otherwise", format!("{} calls", plan.calls.len()))));
    for (place, call) in plan.calls.iter().enumerate() {
        let payer = call.order_type.map(|order_type| format!(", {order_type}")).unwrap_or_default();
        let what = format!("{} on {} as account {}{payer}", call.operation, call.resource, call.account);
        lines.push(field(&format!("call {}", place + 1), what));
    }
    lines.extend(record.before.as_ref().map(|before| field("before", image(before, moments))));
    lines.extend(record.after.as_ref().map(|after| field("after", image(after, moments))));
    lines.extend(
        plan.effective_from.map(|at| field("in force", format!("from {}, if the job starts now", moments.say(at)))),
    );
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::golden;
    use super::super::moments::tests::{at_terminal, piped};
    use super::*;
    use crate::clock::ManualClock;
    use crate::cloud::Limits;
    use crate::domain::{AccountUid, Hour, Site};

    async fn answered(jobs: &[&str]) -> Vec<Planning> {
        answered_in(None, jobs).await
    }

    async fn answered_in(world: Option<&std::path::Path>, jobs: &[&str]) -> Vec<Planning> {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new("2026-11-21T10:20:00Z".parse().unwrap()));
        let access = CloudAccess::simulated(world, Hour::REAL, Arc::clone(&clock)).unwrap();
        let jobs: Vec<bytes::Bytes> = jobs.iter().map(|job| bytes::Bytes::from((*job).to_owned())).collect();
        all(&jobs, access, &Policy::everybody(), None, clock).await
    }

    async fn all(
        jobs: &[bytes::Bytes],
        access: CloudAccess,
        policy: &Policy,
        asks: Option<&Requester>,
        clock: Arc<dyn Clock>,
    ) -> Vec<Planning> {
        let mut all = Vec::new();
        let keep = |plan| {
            all.push(plan);
            Ok(())
        };
        plans(jobs, access, policy, asks, clock, keep).await.unwrap();
        all
    }

    fn page(planning: &Planning) -> Vec<String> {
        super::page(planning, &piped())
    }

    #[tokio::test]
    async fn a_payer_change_is_answered_with_calls_accounts_payers_and_the_hour() {
        let answers = answered(&[include_str!("../../examples/payer-change.json")]).await;
        let text = page(&answers[0]).join("\n");
        for part in [
            "may ask     *",
            "planned     2 calls would follow",
            "call 1      ModifyGrantInstanceToTransitRouter on vpc-bp1h8vbrbcgohcju50001 as account 1688000000000001",
            "call 2      UpdateTransitRouterVpcAttachmentAttribute on tr-attach-nls9fzkfat89340001 as account 1250123456123456",
            "before      2026-11-21T10:20:00Z PayByCenOwner, in force PayByCenOwner",
            "after       2026-11-21T10:20:00Z PayByResourceOwner, in force PayByResourceOwner",
            "in force    from 2026-11-21T11:00:00Z",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        let object = object(&answers[0]);
        assert_eq!(object["plan"][1]["step"], "update-attachments");
        assert_eq!(object["effective_from"], "2026-11-21T11:00:00Z");
    }

    #[tokio::test]
    async fn a_plan_fits_the_terminal() {
        let answers = answered(&[include_str!("../../examples/payer-change.json")]).await;
        let moments = at_terminal("2026-11-21T10:20:00Z".parse().unwrap());
        golden::holds("plan", |columns| folded(super::page(&answers[0], &moments), Some(columns), INDENT));
    }

    #[test]
    fn a_job_that_is_none_has_its_place_and_its_id_if_there_is_one() {
        assert_eq!(named(2, br#"{"id": "NET-1"}"#), "job 2 (NET-1)");
        assert_eq!(named(3, b"{}"), "job 3");
    }

    #[tokio::test]
    async fn what_cannot_be_done_and_what_is_no_job_say_so() {
        let change = include_str!("../../examples/payer-change.json");
        let elsewhere = change.replace("vpc-bp1h8vbrbcgohcju50001", "vpc-bp1h8vbrbcgohcju50003");
        let answers = answered(&[&elsewhere, "{}", change]).await;
        assert!(page(&answers[0])[2].contains("`crossgrant explain not-granted`"), "{:?}", page(&answers[0]));
        assert!(answers[1].is_err() && page(&answers[1]).len() > 3);
        assert_eq!(object(&answers[2])["verdict"], "planned", "one bad job does not spoil the others");
        let mut sum = Sum::default();
        answers.iter().for_each(|plan| sum.add(plan));
        assert!(!sum.all_would_be_done());
        assert_eq!(
            sum.text(Some(&Limits::default())),
            "3 jobs: 1 would change the payer (2 calls, about 1 s at 2/s), 1 refused: not-granted, 1 not a valid job"
        );
    }

    /// Lets everything go on that does not wait for the clock.
    async fn settled() {
        for _ in 0..500 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn jobs_wait_for_their_second_looks_together_and_are_answered_in_their_order() {
        let clock = Arc::new(ManualClock::new("2026-11-21T10:20:00Z".parse().unwrap()));
        let access = CloudAccess::simulated(None, Hour::REAL, clock.clone()).unwrap();
        // The network is granted and attached nowhere, so that an empty list has to be read twice.
        let job = |n: usize| {
            let change = include_str!("../../examples/payer-change.json")
                .replace("vpc-bp1h8vbrbcgohcju50001", "vpc-bp1h8vbrbcgohcju50002");
            bytes::Bytes::from(change.replacen("\"id\": \"", &format!("\"id\": \"{n}-"), 1))
        };
        let jobs: Vec<bytes::Bytes> = (0..20).map(job).collect();
        let began = clock.now();
        let everybody = Policy::everybody();
        let planned = all(&jobs, access, &everybody, None, clock.clone());
        tokio::pin!(planned);
        let planned = loop {
            tokio::select! {
                biased;
                planned = &mut planned => break planned,
                () = settled() => clock.advance(std::time::Duration::from_secs(1)),
            }
        };
        let took = clock.now().duration_since(began).as_secs();
        assert!((5..10).contains(&took), "{took} s for 20 jobs");
        let ids: Vec<String> = planned.iter().map(|plan| plan.as_ref().unwrap().record.job.id.to_string()).collect();
        assert!(ids.iter().enumerate().all(|(n, id)| id.starts_with(&format!("{n}-"))), "{ids:?}");
    }

    /// The README promises it of an IPsec-VPN connection.
    #[tokio::test]
    async fn what_could_not_be_looked_at_is_said_of_a_job_that_would_be_carried_out() {
        let dir = tempfile::tempdir().unwrap();
        let world = dir.path().join("world.toml");
        let refuse = "[[faults]]\noperation = \"DescribeVpnAttachments\"\ncount = 9\n\
                      kind = { error = { http = 403, code = \"Forbidden.RAM\" } }";
        std::fs::write(&world, format!("{}\n{refuse}", include_str!("../../examples/world.toml"))).unwrap();
        let vpn = include_str!("../../examples/grant.json")
            .replace("\"VPC\"", "\"VPN\"")
            .replace("vpc-bp1h8vbrbcgohcju50003", "vco-bp1bbi27hojx80nck0001");
        let answers = answered_in(Some(&world), &[&vpn]).await;
        assert_eq!(object(&answers[0])["verdict"], "planned");
        let text = page(&answers[0]).join("\n");
        assert!(
            text.contains("finding     whether it is attached elsewhere could not be read: DescribeVpnAttachments"),
            "{text}"
        );
        assert_eq!(text.matches("finding ").count(), 1, "a call is no finding: {text}");
    }

    #[tokio::test]
    async fn what_the_policy_refuses_says_so_and_what_it_would_do_otherwise() {
        let uid = |text: &str| AccountUid::parse(text).unwrap();
        let sites =
            |cen: Site| BTreeMap::from([(uid("1688000000000001"), Site::China), (uid("1250123456123456"), cen)]);
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new("2026-11-21T10:20:00Z".parse().unwrap()));
        let answer = async |policy: Policy, asks: Option<&str>| {
            let access = CloudAccess::simulated(None, Hour::REAL, Arc::clone(&clock)).unwrap();
            let job = bytes::Bytes::from_static(include_bytes!("../../examples/payer-change.json"));
            let asks = asks.map(|name| Requester::parse(name).unwrap());
            all(&[job], access, &policy, asks.as_ref(), Arc::clone(&clock)).await.remove(0)
        };
        let tickets = || vec![toml::from_str("requesters = ['tickets']").unwrap()];

        let admitted = answer(Policy::new(tickets(), sites(Site::China)), None).await;
        assert_eq!(object(&admitted)["requesters"], json!(["tickets"]));
        let refused = answer(Policy::new(tickets(), sites(Site::China)), Some("bot")).await;
        let text = page(&refused).join("\n");
        for part in
            ["refused     no rule of the policy allows bot", "planned     otherwise: 2 calls would follow", "call 2"]
        {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert_eq!(object(&refused)["refused"]["reason"], "refused-by-policy");

        let far = answer(Policy::new(tickets(), sites(Site::International)), Some("tickets")).await;
        let text = page(&far).join("\n");
        for part in [
            "failed      account 1688000000000001 is on the china",
            "(preflight-failed;",
            "otherwise   2 calls",
            "call 2",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
