use serde_json::{Value, json};

use crate::simulator::testing::{Bench, CEN, CEN_OWNER, TR};
use crate::simulator::{Change, Edition, World};

const BASIC: &str = "vpc-bp1h8vbrbcgohcju50004";
const ENTERPRISE: &str = "vpc-bp1h8vbrbcgohcju50001";

/// The example world with a VPC of the Basic Edition, and one router more of the Enterprise Edition.
fn bench() -> Bench {
    let extra = format!(
        "{}\n[[attachments]]\ntransit_router = \"tr-bp1su1ytdxtataupl0002\"\ninstance = \"{BASIC}\"",
        include_str!("../../../examples/world.toml")
    );
    let mut world = World::from_toml(&extra).unwrap();
    let (cen, region) = (CEN.parse().unwrap(), "cn-shanghai".parse().unwrap());
    world.add_router("tr-bp1su1ytdxtataupl0003", &cen, &region, Edition::Enterprise).unwrap();
    Bench::of(world)
}

async fn children(bench: &Bench, more: &str) -> Value {
    bench.call(TR, "DescribeCenAttachedChildInstances", &format!("CenId={CEN}{more}")).await.json()
}

fn ids(body: &Value) -> Vec<&str> {
    let rows = body["ChildInstances"]["ChildInstance"].as_array().unwrap();
    rows.iter().map(|row| row["ChildInstanceId"].as_str().unwrap()).collect()
}

fn attach(bench: &Bench, router: &str, instance: &str) {
    let instance = instance.parse().unwrap();
    bench.simulator.change(Change::Attach { transit_router: router.into(), instance }).unwrap();
}

async fn detach(bench: &Bench, instance: &str, kind: &str) -> String {
    let params = format!(
        "CenId={CEN}&CenOwnerId={CEN_OWNER}&ChildInstanceId={instance}&ChildInstanceType={kind}&ChildInstanceRegionId=cn-hangzhou"
    );
    bench.code(TR, "DetachCenChildInstance", &params).await
}

#[tokio::test]
async fn the_list_shows_the_attachments_of_both_editions_or_of_one() {
    let bench = bench();
    let all = children(&bench, "").await;
    assert_eq!(ids(&all), [ENTERPRISE, BASIC, "vpc-bp1h8vbrbcgohcju50005"]);
    assert_eq!((&all["TotalCount"], &all["PageSize"]), (&json!(3), &json!(10)));
    assert_eq!(children(&bench, "&ChildInstanceType=CCN").await["TotalCount"], 0);
    let second = children(&bench, "&PageSize=1&PageNumber=2").await;
    assert_eq!((ids(&second), &second["TotalCount"]), (vec![BASIC], &json!(3)));
    let vpn = "vco-bp1bbi27hojx80nck0001";
    bench.grant(vpn, "").await;
    attach(&bench, "tr-bp1su1ytdxtataupl0001", vpn);
    assert_eq!(children(&bench, "").await["TotalCount"], 3, "an IPsec connection is no child instance");
    bench.switch(json!({"child_instances": "basic"}));
    assert_eq!(ids(&children(&bench, "").await), [BASIC]);
}

#[tokio::test]
async fn an_instance_attached_twice_has_two_rows_or_one() {
    let bench = bench();
    attach(&bench, "tr-bp1su1ytdxtataupl0003", ENTERPRISE);
    let each = children(&bench, "").await;
    assert_eq!((ids(&each)[..2].to_vec(), &each["TotalCount"]), (vec![ENTERPRISE, ENTERPRISE], &json!(4)));
    bench.switch(json!({"child_rows": "once"}));
    let once = children(&bench, "").await;
    assert_eq!((ids(&once), &once["TotalCount"]), (vec![ENTERPRISE, BASIC, "vpc-bp1h8vbrbcgohcju50005"], &json!(3)));
}

#[tokio::test]
async fn only_the_basic_edition_is_detached_here() {
    let bench = bench();
    assert_eq!(detach(&bench, ENTERPRISE, "VPC").await, "Forbidden.TypeInvalid");
    assert_eq!(detach(&bench, "vco-bp1bbi27hojx80nck0001", "VPN").await, "Forbidden.TypeInvalid");
    assert!(bench.simulator.ledger().is_empty());
    assert_ne!(bench.revoke(BASIC).await, "OK");
    assert_eq!(detach(&bench, BASIC, "VPC").await, "OK");
    let status = children(&bench, "").await["ChildInstances"]["ChildInstance"][1]["Status"].clone();
    assert_eq!(status, "Detaching");
    bench.pass(5);
    assert_eq!(children(&bench, "").await["TotalCount"], 2);
    assert_eq!(detach(&bench, BASIC, "VPC").await, "ParameterInstanceId");
    assert_eq!(bench.revoke(BASIC).await, "OK");
}
