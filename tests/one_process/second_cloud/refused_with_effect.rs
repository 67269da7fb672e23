//! A call that the cloud refused, and that had its effect all the same: nothing tells whose effect it was.

use super::*;

in_memory_and_in_a_database! {
    what_was_before_a_refused_call_that_had_its_effect_is_not_known,
    what_a_refused_half_of_a_payer_change_did_is_not_done_again,
}

/// Codes that mean "nothing was done".
fn refusals() -> [FaultKind; 4] {
    [
        FaultKind::Throttle { retry_after_ms: None },
        FaultKind::Conflict,
        refusal(400, "IncorrectStatus.Cen"),
        refusal(400, "InvalidSecurityToken.Expired"),
    ]
}

fn operation(of: Subject, kind: &str) -> &'static str {
    match (of.kind, kind) {
        ("CCN", "grant") => "GrantInstanceToCbn",
        ("CCN", _) => "RevokeInstanceFromCbn",
        (_, "grant") => "GrantInstanceToTransitRouter",
        _ => "RevokeInstanceFromTransitRouter",
    }
}

async fn what_was_before_a_refused_call_that_had_its_effect_is_not_known(stock: Stock) {
    let subjects = match stock {
        Stock::Memory => &SUBJECTS[..],
        Stock::Database => &[VPC],
    };
    for (of, fault) in subjects.iter().flat_map(|of| refusals().map(|fault| (*of, fault))) {
        for (kind, stands, reason) in [
            ("grant", Stands::NotGranted, Reason::AlreadySatisfied),
            ("revoke", Stands::Granted, Reason::AlreadyAbsent),
        ] {
            let plant = of.plant(stock, stands).await;
            plant.cloud.inject(InjectedFault::new(operation(of, kind), fault.clone()).with_effect());
            let uid = plant.job(of.job(kind)).await;
            plant.run_until(at("10:40:00")).await;
            let record = plant.record(uid).await;
            let case = format!("{} {kind} {fault:?}: {}", of.kind, record.why);
            // Where no list proves that it is gone, a second revoke is told so by the cloud.
            if of == ECR && kind == "revoke" {
                assert_eq!(end(&record), (State::Completed, Some(Reason::Done)), "{case}");
                assert_eq!((record.before.map(|b| b.granted), plant.effects().len()), (Some(true), 1), "{case}");
                continue;
            }
            assert_eq!(end(&record), (State::Completed, Some(reason)), "{case}");
            let data = plant.events(uid).await.pop().unwrap()["data"].clone();
            assert_eq!((&data["before"], &data["after"]["granted"]), (&json!(null), &json!(kind == "grant")), "{case}");
            assert!(data["message"].as_str().unwrap().contains("refused may have done it"), "{case}");
            assert_eq!(data["writes"][0]["outcome"], "refused", "{case}");
            assert_eq!(plant.effects().len(), 1, "{case}");

            // Where nothing was asked of the cloud, what was before is known.
            let mut again = of.job(kind);
            again["id"] = "again".into();
            let uid = plant.job(again).await;
            plant.run_until(at("10:50:00")).await;
            let record = plant.record(uid).await;
            assert!(record.before.is_some() && record.writes.is_empty(), "{case}: {}", record.why);
        }
    }
}

#[tokio::test]
async fn where_the_cloud_says_that_there_was_nothing_to_do_what_was_before_is_known() {
    let plant = ECR.plant(Stock::Memory, Stands::NotGranted).await;
    let uid = plant.job(ECR.job("revoke")).await;
    plant.run_until(at("10:40:00")).await;
    let record = plant.record(uid).await;
    assert_eq!(end(&record), (State::Completed, Some(Reason::AlreadyAbsent)), "{}", record.why);
    assert_eq!((record.writes.len(), record.before.map(|before| before.granted)), (1, Some(false)));
}

async fn what_a_refused_half_of_a_payer_change_did_is_not_done_again(stock: Stock) {
    for (stands, operation, effects) in [
        (Stands::Attached, "ModifyGrantInstanceToTransitRouter", 2),
        (Stands::Attached, "UpdateTransitRouterVpcAttachmentAttribute", 2),
        (Stands::Granted, "RevokeInstanceFromTransitRouter", 2),
        (Stands::Granted, "GrantInstanceToTransitRouter", 2),
    ] {
        for fault in refusals() {
            let plant = VPC.plant(stock, stands).await;
            plant.cloud.inject(InjectedFault::new(operation, fault.clone()).with_effect());
            let uid = plant.job(VPC.job("payer-change")).await;
            plant.run_until(at("11:10:00")).await;
            let record = plant.record(uid).await;
            let case = format!("{operation} {fault:?}: {}", record.why);
            assert_eq!(end(&record), (State::Completed, Some(Reason::Done)), "{case}");
            assert_eq!(plant.effects().len(), effects, "{case}: {:?}", plant.effects());
            let before = record.before.unwrap();
            assert_eq!(before.order_type.map(|o| o.as_str()), Some("PayByCenOwner"), "{case}");
        }
    }
}
