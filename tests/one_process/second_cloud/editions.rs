//! Of which edition an attachment is: what the router is, not which list shows it.

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Once,
    /// To a second transit router of the Enterprise Edition too.
    Twice,
    Basic,
}

const SECOND: &str = "tr-bp1su1ytdxtataupl0003";
const BASIC: &str = "tr-bp1su1ytdxtataupl0002";

/// The example world with the instance granted and attached so.
async fn plant(of: Subject, place: Place) -> Plant {
    let mut world = of.world(Stands::Granted).replace(
        "id = \"tr-bp1su1ytdxtataupl0002\", region = \"cn-beijing\"",
        &format!("id = {SECOND:?}, region = \"cn-shanghai\" }},\n    {{ id = {BASIC:?}, region = \"cn-beijing\""),
    );
    if place == Place::Basic {
        // The router of the region of the instance is of the Basic Edition.
        world = world.replace("\"cn-hangzhou\", type = \"Enterprise\"", "\"cn-qingdao\", type = \"Enterprise\"");
        world = world.replace("\"cn-beijing\", type = \"Basic\"", "\"cn-hangzhou\", type = \"Basic\"");
    }
    let routers: &[&str] = match place {
        Place::Once => &[ROUTER],
        Place::Twice => &[ROUTER, SECOND],
        Place::Basic => &[BASIC],
    };
    for router in routers {
        world += &format!("\n[[attachments]]\ntransit_router = {router:?}\ninstance = {:?}\n", of.id);
    }
    Plant::with_world(&world).await
}

/// Every reading of the list of child instances.
fn lists() -> impl Iterator<Item = Value> {
    let both = ["all", "basic"].into_iter().flat_map(|shown| ["each", "once"].map(|rows| (shown, rows)));
    both.map(|(shown, rows)| json!({"child_instances": shown, "child_rows": rows}))
}

#[tokio::test]
async fn the_payer_of_what_is_attached_changes_whatever_the_list_of_child_instances_shows() {
    for (of, list) in [VPC, VBR].into_iter().flat_map(|of| lists().map(move |list| (of, list))) {
        for place in [Place::Once, Place::Twice] {
            let plant = plant(of, place).await;
            switch(&plant, list.clone());
            let uid = plant.job(of.job("payer-change")).await;
            plant.run_until(at("11:30:00")).await;
            let record = plant.record(uid).await;
            let case = format!("{} {place:?} {list}: {}", of.kind, record.why);
            assert_eq!(end(&record), (State::Completed, Some(Reason::Done)), "{case}");
            let writes = if place == Place::Twice { 3 } else { 2 };
            assert_eq!(plant.effects().len(), writes, "{case}");
            let event = plant.events(uid).await.pop().unwrap()["data"].clone();
            let attachments = event["after"]["attachments"].as_array().unwrap().clone();
            assert_eq!(attachments.len(), writes - 1, "{case}: {attachments:?}");
            assert!(attachments.iter().all(|a| a["edition"] == "enterprise"), "{case}: {attachments:?}");

            // What is satisfied is not refused either.
            let mut again = of.job("payer-change");
            again["id"] = "again".into();
            let uid = plant.job(again).await;
            plant.run_until(at("11:40:00")).await;
            assert_eq!(end(&plant.record(uid).await).1, Some(Reason::AlreadySatisfied), "{case}");
        }
    }
}

#[tokio::test]
async fn what_the_basic_edition_connects_has_no_payer_under_every_list() {
    for (of, list) in [VPC, VBR].into_iter().flat_map(|of| lists().map(move |list| (of, list))) {
        let plant = plant(of, Place::Basic).await;
        switch(&plant, list.clone());
        let uid = plant.job(of.job("payer-change")).await;
        plant.run_until(at("11:30:00")).await;
        let record = plant.record(uid).await;
        assert_eq!(end(&record).1, Some(Reason::PayerNotChangeable), "{} {list}: {}", of.kind, record.why);
        assert!(record.why.contains("Basic Edition"), "{}", record.why);
    }
}

#[tokio::test]
async fn only_what_the_basic_edition_connects_and_a_ccn_are_detached_by_the_instance() {
    for (of, place) in SUBJECTS.into_iter().flat_map(|of| [Place::Once, Place::Twice, Place::Basic].map(|p| (of, p))) {
        let impossible = match place {
            Place::Once => false,
            Place::Twice => of == VPN || of == CCN,
            Place::Basic => of == VPN || of == ECR,
        };
        for list in lists().filter(|_| !impossible) {
            let plant = plant(of, place).await;
            switch(&plant, list.clone());
            let mut job = of.job("revoke");
            job["options"] = json!({"attachments": "delete"});
            let uid = plant.job(job).await;
            plant.run().await;
            let record = plant.record(uid).await;
            let case = format!("{} {place:?} {list}: {}", of.kind, record.why);
            assert_eq!(end(&record), (State::Completed, Some(Reason::Done)), "{case}");
            let operations: Vec<&str> = record.writes.iter().map(|write| write.operation.as_str()).collect();
            let detaches = operations.iter().filter(|operation| **operation == "DetachCenChildInstance").count();
            let by_instance = place == Place::Basic || of == CCN;
            assert_eq!(detaches, usize::from(by_instance), "{case}: {operations:?}");
            assert_eq!(operations.len(), 2 + usize::from(place == Place::Twice), "{case}: {operations:?}");
            assert_eq!(plant.effects().len(), operations.len(), "{case}");
        }
    }
}

#[tokio::test]
async fn rows_of_an_instance_that_is_attached_twice_hold_up_no_other() {
    let plant = plant(VPC, Place::Twice).await;
    let unattached = "vpc-bp1h8vbrbcgohcju50002";
    for (kind, n) in [("payer-change", 1), ("revoke", 2)] {
        let mut job = Subject { id: unattached, ..VPC }.job(kind);
        job["id"] = n.to_string().into();
        let uid = plant.job(job).await;
        plant.run_until(at("10:30:00")).await;
        let record = plant.record(uid).await;
        assert_eq!(end(&record).1, Some(Reason::Done), "{kind}: {}", record.why);
    }
}
