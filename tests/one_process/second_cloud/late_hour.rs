//! A payer change whose hour passes without effect: the cause is found within the hour, and what merely shows late is none.

use crossgrant::engine::ports::crash_points::CrashPoint;
use crossgrant::sweep;

use super::*;

in_memory_and_in_a_database! {
    what_somebody_set_back_is_overridden_and_not_written_again,
    what_somebody_detached_did_not_take_effect,
    what_shows_late_completes_without_a_moment_and_without_a_needless_write,
    a_write_that_two_empty_lists_hid_is_made_once,
    what_was_attached_meanwhile_with_the_old_payer_is_written_once,
    what_is_in_force_before_it_is_waited_for_ends_at_once,
}

/// A worker with a payer change that waits for eleven, half an hour before.
async fn waiting(of: Subject, stock: Stock, switches: Value) -> (Plant, JobUid) {
    let plant = of.plant(stock, Stands::Attached).await;
    switch(&plant, switches);
    let uid = plant.job(of.job("payer-change")).await;
    plant.run_until(at("10:30:00")).await;
    assert_eq!(plant.record(uid).await.state(), State::Waiting);
    assert_eq!(plant.effects().len(), 2, "both sides are written");
    (plant, uid)
}

async fn what_somebody_set_back_is_overridden_and_not_written_again(stock: Stock) {
    for &of in billed(stock) {
        let (plant, uid) = waiting(of, stock, json!({})).await;
        let back = json!({"cen": CEN, "instance": of.id, "attachment_order_type": "PayByCenOwner"});
        somebody(&plant, json!({"set_order_type": back}));
        plant.run_until(at("11:02:30")).await;
        let record = plant.record(uid).await;
        assert_eq!(end(&record), (State::Failed, Some(Reason::Overridden)), "{}: {}", of.kind, record.why);
        assert!(record.why.contains("the payer of tr-attach-"), "{}", record.why);
        assert_eq!(plant.effects().len(), 2, "{}: {:?}", of.kind, plant.effects());
    }
}

async fn what_somebody_detached_did_not_take_effect(stock: Stock) {
    for &of in billed(stock) {
        let (plant, uid) = waiting(of, stock, json!({"unattached_takes_effect": false})).await;
        somebody(&plant, json!({"detach": {"cen": CEN, "instance": of.id}}));
        plant.run_until(at("11:59:00")).await;
        assert_eq!(plant.record(uid).await.state(), State::Waiting, "until then it may merely show late");
        plant.run_until(at("12:02:30")).await;
        let record = plant.record(uid).await;
        assert_eq!(end(&record), (State::Failed, Some(Reason::Detached)), "{}: {}", of.kind, record.why);
        assert_eq!(plant.effects().len(), 2, "{}: {:?}", of.kind, plant.effects());

        // Where it takes effect all the same, it does.
        let (plant, uid) = waiting(of, stock, json!({})).await;
        somebody(&plant, json!({"detach": {"cen": CEN, "instance": of.id}}));
        plant.run_until(at("11:02:30")).await;
        assert_eq!(end(&plant.record(uid).await), (State::Completed, Some(Reason::Done)));
    }
}

async fn what_shows_late_completes_without_a_moment_and_without_a_needless_write(stock: Stock) {
    for (late, moment) in
        [("0s", json!("2026-11-21T11:00:00Z")), ("5m", json!(null)), ("20m", json!(null)), ("50m", json!(null))]
    {
        for &of in billed(stock) {
            let (plant, uid) = waiting(of, stock, json!({"effective_shown_late": late})).await;
            plant.run_until(at("12:10:00")).await;
            let record = plant.record(uid).await;
            assert_eq!(end(&record), (State::Completed, Some(Reason::Done)), "{} {late}: {}", of.kind, record.why);
            assert_eq!(plant.effects().len(), 2, "{} {late}: {:?}", of.kind, plant.effects());
            let data = plant.events(uid).await.pop().unwrap()["data"].clone();
            assert_eq!(
                (&data["effective_at"], &data["expected_at"]),
                (&moment, &json!("2026-11-21T11:00:00Z")),
                "{late}"
            );
            assert_eq!(plant.said(uid).await, ["accepted", "waiting", "completed"], "{late}");
        }
    }
}

async fn a_write_that_two_empty_lists_hid_is_made_once(stock: Stock) {
    for &of in billed(stock) {
        let plant = of.plant(stock, Stands::Attached).await;
        // The survey sees the attachment; the look of the second write and the one that is to confirm it do not.
        let list = format!("ListTransitRouter{}{}Attachments", &of.kind[..1], of.kind[1..].to_lowercase());
        plant.cloud.inject(InjectedFault::new(&list, FaultKind::EmptyList).after(1).times(2));
        let uid = plant.job(of.job("payer-change")).await;
        plant.run_until(at("10:40:00")).await;
        assert_eq!((plant.record(uid).await.state(), plant.cloud.strikes(&list)), (State::Waiting, 2));
        assert_eq!(plant.effects().len(), 1, "the grant alone");
        plant.run_until(at("11:02:30")).await;
        assert_eq!(plant.effects().len(), 2, "{}: {:?}", of.kind, plant.effects());
        plant.run_until(at("12:02:30")).await;
        let record = plant.record(uid).await;
        assert_eq!(end(&record), (State::Completed, Some(Reason::Done)), "{}: {}", of.kind, record.why);
        assert_eq!(plant.effects().len(), 2, "{}: {:?}", of.kind, plant.effects());
        assert_eq!(plant.said(uid).await, ["accepted", "waiting", "waiting", "completed"]);
    }
}

async fn what_was_attached_meanwhile_with_the_old_payer_is_written_once(stock: Stock) {
    for &of in billed(stock) {
        let plant = of.plant(stock, Stands::Granted).await;
        somebody(
            &plant,
            json!({"set_order_type": {"cen": CEN, "instance": of.id, "order_type": "PayByResourceOwner"}}),
        );
        let uid = plant.job(of.job("payer-change")).await;
        plant.run_until(at("10:30:00")).await;
        assert_eq!(plant.record(uid).await.state(), State::Waiting, "another's change waits for its hour");
        somebody(&plant, json!({"attach": {"transit_router": ROUTER, "instance": of.id}}));
        let old = json!({"cen": CEN, "instance": of.id, "attachment_order_type": "PayByCenOwner"});
        somebody(&plant, json!({"set_order_type": old}));
        plant.run_until(at("12:02:30")).await;
        let record = plant.record(uid).await;
        assert_eq!(end(&record), (State::Completed, Some(Reason::Done)), "{}: {}", of.kind, record.why);
        assert_eq!(plant.effects().len(), 1, "{}: {:?}", of.kind, plant.effects());
    }
}

/// The worker is cut between the second write and its answer, and is back when the hour has passed.
async fn what_is_in_force_before_it_is_waited_for_ends_at_once(stock: Stock) {
    for &of in billed(stock) {
        for (back, moment) in [("11:01:30", json!("2026-11-21T11:00:00Z")), ("12:01:30", json!(null))] {
            let plant = of.plant(stock, Stands::Attached).await;
            plant.clock.advance_to(at("10:59:50"));
            plant.script.cut_at(CrashPoint::AfterWrite, 1);
            let uid = plant.job(of.job("payer-change")).await;
            plant.work().await;
            assert!(plant.script.struck() && plant.effects().len() == 2, "{}: both sides are written", of.kind);
            plant.clock.advance_to(at(back));
            plant.run_on().await;
            let record = plant.record(uid).await;
            assert_eq!(end(&record), (State::Completed, Some(Reason::Done)), "{} {back}: {}", of.kind, record.why);
            assert_eq!(plant.said(uid).await, ["accepted", "completed"], "{} {back}", of.kind);
            let data = plant.events(uid).await.pop().unwrap()["data"].clone();
            assert_eq!((&data["effective_at"], &data["expected_at"]), (&moment, &json!(null)), "{} {back}", of.kind);
            let between: [Timestamp; 2] = serde_json::from_value(data["effective_between"].clone()).unwrap();
            assert_eq!(between[0], record.writes[0].intended_at, "{} {back}", of.kind);
            assert!((at(back)..=record.phase.finished_at().unwrap()).contains(&between[1]), "{between:?}");
        }
    }
}

const JOBS: usize = 240;
const MANY: &str = "cen-44m0p68spvlrqq0007";
const LISTS: [&str; 4] = [
    "ListTransitRouters",
    "ListTransitRouterVpcAttachments",
    "DescribeGrantRulesToCen",
    "DescribeGrantRulesToResource",
];

fn instance(n: usize) -> String {
    format!("vpc-bp1late{n:014}")
}

/// A worker with payer changes of attached networks that wait for eleven.
async fn many(switches: Value) -> (Plant, Vec<JobUid>) {
    let router = "tr-bp1su1ytdxtataupl0007";
    let mut world = format!(
        "{}\n[[cens]]\nid = {MANY:?}\nowner = {CEN_OWNER:?}\n\
         transit_routers = [{{ id = {router:?}, region = \"cn-hangzhou\", type = \"Enterprise\" }}]\n",
        include_str!("../../../examples/world.toml")
    );
    for n in 0..JOBS {
        let id = instance(n);
        world += &format!(
            "\n[[instances]]\ntype = \"VPC\"\nid = {id:?}\nregion = \"cn-hangzhou\"\nowner = {RESOURCE:?}\n\
             \n[[grants]]\ncen = {MANY:?}\ninstance = {id:?}\norder_type = \"PayByResourceOwner\"\n\
             effective_order_type = \"PayByCenOwner\"\n\
             \n[[attachments]]\ntransit_router = {router:?}\ninstance = {id:?}\n"
        );
    }
    let plant = Plant::with_world(&world).await;
    switch(&plant, switches);
    let mut uids = vec![];
    for n in 0..JOBS {
        let id: &'static str = instance(n).leak();
        let mut job = Subject { id, ..VPC }.job("payer-change");
        job["cen"]["id"] = MANY.into();
        job["id"] = id.into();
        uids.push(plant.job(job).await);
    }
    plant.work().await;
    (plant, uids)
}

fn reads(plant: &Plant) -> Vec<u64> {
    let counts = plant.cloud.counts();
    let of = |list: &&str| counts.iter().filter(|count| count.operation == *list).map(|count| count.count).sum();
    LISTS.iter().map(of).collect()
}

/// Makes the next pass, and says how often which list was read for it.
async fn pass(plant: &Plant) -> Vec<u64> {
    plant.clock.advance_to(plant.store().next_sweep().await.unwrap().unwrap());
    let before = reads(plant);
    sweep::pass(&plant.engine).await.unwrap();
    plant.work().await;
    reads(plant).iter().zip(before).map(|(now, then)| now - then).collect()
}

#[tokio::test]
async fn one_that_is_late_among_many_costs_one_list_more() {
    let (plant, uids) = many(json!({})).await;
    let back = json!({"cen": MANY, "instance": instance(7), "attachment_order_type": "PayByCenOwner"});
    somebody(&plant, json!({"set_order_type": back}));
    assert_eq!(pass(&plant).await, [0, 0, 3, 0], "the others are confirmed by a hundred");
    // The lists of all, a hundred to a page; then the job's own look.
    assert_eq!(pass(&plant).await, [2, 4, 2, 1]);
    for (n, uid) in uids.into_iter().enumerate() {
        let right =
            if n == 7 { (State::Failed, Reason::Overridden) } else { (State::Completed, Reason::AlreadySatisfied) };
        assert_eq!(end(&plant.record(uid).await), (right.0, Some(right.1)));
    }
}

#[tokio::test]
async fn many_that_show_late_are_compared_with_one_list_a_pass() {
    let (plant, uids) = many(json!({"effective_shown_late": "3m"})).await;
    for expected in [[0, 0, 3, 0], [1, 3, 3, 0], [1, 3, 3, 0], [0, 0, 3, 0]] {
        assert_eq!(pass(&plant).await, expected);
    }
    for uid in uids {
        assert_eq!(plant.record(uid).await.state(), State::Completed);
    }
}
