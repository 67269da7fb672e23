//! The hour in which a payer may not be changed again: the code with which the cloud refuses is published nowhere.

use super::*;

/// A code of a state, one of no class, and codes that look like refusals for good.
const CODES: [&str; 5] = [
    "IncorrectStatus.Payer",
    "OperationFailed.SimPayerCooldown",
    "InvalidOperation.PayerChangeTooFrequent",
    "OperationDenied.PayerChangedRecently",
    "SimPayerCooldown",
];
const MODIFY: &str = "ModifyGrantInstanceToTransitRouter";

fn update(of: Subject) -> String {
    format!("UpdateTransitRouter{}{}AttachmentAttribute", &of.kind[..1], of.kind[1..].to_lowercase())
}

/// Every billed type with every code.
fn cases(stock: Stock) -> impl Iterator<Item = (Subject, &'static str)> {
    let all = billed(stock).iter().flat_map(|of| CODES.map(|code| (*of, code)));
    all.enumerate().filter(|(n, _)| thorough::runs(*n, 4)).map(|(_, case)| case)
}

in_memory_and_in_a_database! {
    a_change_within_the_hour_waits_for_it_and_is_made_once,
    an_undo_within_the_hour_waits_for_it_and_is_told_as_half_done,
}

async fn a_change_within_the_hour_waits_for_it_and_is_made_once(stock: Stock) {
    for (of, code) in cases(stock) {
        let plant = of.plant(stock, Stands::Attached).await;
        switch(&plant, json!({"payer_cooldown": code}));
        // Somebody has changed it, and it is in force.
        let mine = "PayByResourceOwner";
        let all = json!({"cen": CEN, "instance": of.id, "order_type": mine, "effective_order_type": mine,
                         "attachment_order_type": mine});
        somebody(&plant, json!({"set_order_type": all}));
        let mut job = of.job("payer-change");
        job["order_type"] = "PayByCenOwner".into();
        let uid = plant.job(job).await;
        plant.run_until(at("11:19:00")).await;
        let record = plant.record(uid).await;
        let case = format!("{} {code}: {}", of.kind, record.why);
        assert_eq!((record.state(), plant.effects()), (State::Running, vec![]), "{case}");
        assert_eq!(plant.said(uid).await, ["accepted"], "{case}: nothing of it is half done");
        plant.run_until(at("12:02:30")).await;
        let record = plant.record(uid).await;
        let case = format!("{} {code}: {}", of.kind, record.why);
        assert_eq!(end(&record), (State::Completed, Some(Reason::Done)), "{case}");
        let effects = plant.effects();
        assert_eq!(effects.len(), 2, "{case}: {effects:?}");
        assert!(effects[0].starts_with(MODIFY) && effects[1].starts_with(&update(of)), "{case}: {effects:?}");
        assert_eq!(plant.said(uid).await, ["accepted", "waiting", "completed"], "{case}");
    }
}

async fn an_undo_within_the_hour_waits_for_it_and_is_told_as_half_done(stock: Stock) {
    for (of, code) in cases(stock) {
        let plant = of.plant(stock, Stands::Attached).await;
        switch(&plant, json!({"payer_cooldown": code}));
        plant.cloud.inject(InjectedFault::new(&update(of), refusal(403, "Forbidden.RAM")).times(1_000));
        let uid = plant.job(of.job("payer-change")).await;
        plant.run_until(at("11:19:00")).await;
        let record = plant.record(uid).await;
        let case = format!("{} {code}: {}", of.kind, record.why);
        assert_eq!(record.state(), State::Running, "{case}");
        assert_eq!(plant.effects().len(), 1, "{case}");
        let waiting = plant.events(uid).await.pop().unwrap();
        let told = (&waiting["type"], &waiting["data"]["half_done"], &waiting["data"]["expected_at"]);
        assert_eq!(told, (&json!("crossgrant.job.waiting"), &json!(true), &json!(null)), "{case}");
        let message = waiting["data"]["message"].as_str().unwrap();
        assert!(message.starts_with("half done: ") && message.contains(code), "{case}: {message}");
        plant.run_until(at("13:02:30")).await;
        let record = plant.record(uid).await;
        let case = format!("{} {code}: {}", of.kind, record.why);
        assert_eq!(end(&record), (State::Failed, Some(Reason::RefusedByCloud)), "{case}");
        let grant = |payer: &str| format!("{MODIFY} {} {payer}", of.id);
        assert_eq!(plant.effects(), [grant("PayByResourceOwner"), grant("PayByCenOwner")], "{case}");
        assert_eq!(plant.said(uid).await, ["accepted", "waiting", "failed"], "{case}");
    }
}

#[tokio::test]
async fn a_cancel_within_the_hour_waits_for_it_and_puts_back_what_was_written() {
    for code in CODES {
        let plant = VPC.plant(Stock::Memory, Stands::Attached).await;
        switch(&plant, json!({"payer_cooldown": code}));
        plant.cloud.inject(InjectedFault::new(&update(VPC), FaultKind::Conflict).times(1_000_000));
        let uid = plant.job(VPC.job("payer-change")).await;
        plant.run_until(at("10:30:00")).await;
        plant.engine.command(uid, Command::Cancel, "tests").await.unwrap();
        plant.run_until(at("11:19:00")).await;
        assert_eq!((plant.record(uid).await.state(), plant.effects().len()), (State::Running, 1), "{code}");
        plant.run_until(at("12:30:00")).await;
        let record = plant.record(uid).await;
        assert_eq!(end(&record), (State::Cancelled, Some(Reason::CancelledByOperator)), "{code}: {}", record.why);
        assert_eq!(plant.effects().len(), 2, "{code}: {:?}", plant.effects());
        assert_eq!(plant.said(uid).await, ["accepted", "cancelling", "waiting", "cancelled"], "{code}");
    }
}

#[tokio::test]
async fn what_is_refused_for_longer_than_that_hour_is_believed() {
    for code in &CODES[1..] {
        let plant = VPC.plant(Stock::Memory, Stands::Attached).await;
        plant.cloud.inject(InjectedFault::new(MODIFY, refusal(400, code)).times(1_000_000));
        let uid = plant.job(VPC.job("payer-change")).await;
        plant.run_until(at("11:30:00")).await;
        let record = plant.record(uid).await;
        assert_eq!(end(&record), (State::Failed, Some(Reason::RefusedByCloud)), "{code}: {}", record.why);
        assert_eq!(
            (plant.effects(), plant.said(uid).await),
            (vec![], vec!["accepted".into(), "failed".into()]),
            "{code}"
        );
    }
}
