//! The instances attached to a CEN (API §A.9). The list shows both editions, as the vendor's pages say; detaching serves the
//! Basic Edition alone.

use serde_json::{Value, json};

use super::answer::{ErrorAnswer, Success, minute, uid};
use super::attachments::{at_rest, detached};
use super::paging::NumberedPage;
use super::request::ApiCall;
use super::switches::{ChildInstances, ChildRows};
use super::world::{AttachmentState, RouterEdition, World};
use crate::domain::{CenId, Instance, InstanceId, InstanceType, Region};

/// Lists the attached VPCs, VBRs and CCNs of the caller's CEN. The switch `child_rows` says whether an instance that is
/// attached several times has several rows.
pub(super) fn list(world: &mut World, call: &ApiCall) -> Result<Success, ErrorAnswer> {
    let params = &call.params;
    let cen: CenId = params.needed("CenId")?;
    let region: Option<Region> = params.parsed("ChildInstanceRegionId")?;
    let kind = params.text("ChildInstanceType").map(kind).transpose()?;
    let page = NumberedPage::asked(params)?;
    let state = world.cens.get(&cen).filter(|c| c.owner == call.caller.account);
    let enterprise = state.filter(|_| world.switches.child_instances == ChildInstances::All);
    let ids = state.into_iter().flat_map(|c| &c.basic).chain(enterprise.into_iter().flat_map(|c| &c.enterprise));
    let mut found: Vec<(&Instance, &AttachmentState)> = ids
        .filter_map(|id| {
            let attachment = world.attachments.get(id)?.as_of(call.as_of)?;
            let instance = &world.instances.get(&attachment.instance)?.instance;
            let wanted = !matches!(instance.kind, InstanceType::VPN | InstanceType::ECR)
                && region.as_ref().is_none_or(|r| instance.region == *r)
                && kind.is_none_or(|k| instance.kind == k);
            wanted.then_some((instance, attachment))
        })
        .collect();
    found.sort_by(|a, b| a.0.id.cmp(&b.0.id));
    if world.switches.child_rows == ChildRows::Once {
        found.dedup_by(|a, b| a.0.id == b.0.id);
    }
    let (shown, total) = page.of(found);
    let items: Vec<Value> = shown.into_iter().map(|(instance, attachment)| item(instance, attachment)).collect();
    Ok(page.answer("ChildInstances", json!({"ChildInstance": items}), total))
}

/// Detaches an instance. Its attachment is `Detaching` for the attachment delay, then gone.
pub(super) fn detach(world: &mut World, call: &ApiCall) -> Result<Success, ErrorAnswer> {
    let params = &call.params;
    let cen: CenId = params.needed("CenId")?;
    let instance: InstanceId = params.needed("ChildInstanceId")?;
    let word = params.required("ChildInstanceType")?;
    params.needed::<Region>("ChildInstanceRegionId")?;
    if world.cens.get(&cen).is_none_or(|c| c.owner != call.caller.account) {
        return Err(ErrorAnswer::unauthorized(&cen));
    }
    let unserved = || {
        ErrorAnswer::bad("Forbidden.TypeInvalid", "This type of instance or transit router cannot be detached here.")
    };
    if ["VPN", "ECR"].contains(&word) {
        return Err(unserved());
    }
    let kind = kind(word)?;
    let mut attachments = world.attachments_of(&cen, &instance);
    attachments.retain(|_| instance.as_str().starts_with(kind.prefix()));
    let found = attachments.iter().find(|(_, a)| a.edition == RouterEdition::Basic);
    let Some((id, attachment)) = found.map(|(id, a)| ((*id).to_owned(), (*a).clone())) else {
        if !attachments.is_empty() {
            return Err(unserved());
        }
        return Err(ErrorAnswer::bad("ParameterInstanceId", "The instance is not attached."));
    };
    at_rest(&attachment)?;
    Ok(detached(world, call, &id, attachment))
}

fn kind(text: &str) -> Result<InstanceType, ErrorAnswer> {
    match text {
        "VPC" => Ok(InstanceType::VPC),
        "VBR" => Ok(InstanceType::VBR),
        "CCN" => Ok(InstanceType::CCN),
        _ => Err(ErrorAnswer::invalid("ChildInstanceType", format!("{text} is not VPC, VBR or CCN"))),
    }
}

fn item(instance: &Instance, attachment: &AttachmentState) -> Value {
    json!({
        "CenId": attachment.cen,
        "ChildInstanceId": instance.id,
        "ChildInstanceType": instance.kind.as_str(),
        "ChildInstanceRegionId": instance.region,
        "ChildInstanceOwnerId": uid(&instance.owner),
        "ChildInstanceAttachTime": minute(attachment.created),
        "Status": attachment.status,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::simulator::testing::{Bench, CEN, CEN_OWNER, TR};
    use crate::simulator::{OutsideChange, RouterEdition, World};

    const BASIC: &str = "vpc-bp1h8vbrbcgohcju50004";
    const ENTERPRISE: &str = "vpc-bp1h8vbrbcgohcju50001";

    /// The example world with a VPC of the Basic Edition, and one router more of the Enterprise Edition.
    fn bench() -> Bench {
        let extra = format!(
            "{}\n[[attachments]]\ntransit_router = \"tr-bp1su1ytdxtataupl0002\"\ninstance = \"{BASIC}\"",
            include_str!("../../examples/world.toml")
        );
        let mut world = World::from_toml(&extra).unwrap();
        let (cen, region) = (CEN.parse().unwrap(), "cn-shanghai".parse().unwrap());
        world.add_router("tr-bp1su1ytdxtataupl0003", &cen, &region, RouterEdition::Enterprise).unwrap();
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
        bench.simulator.change(OutsideChange::Attach { transit_router: router.into(), instance }).unwrap();
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
        assert_eq!(
            (ids(&once), &once["TotalCount"]),
            (vec![ENTERPRISE, BASIC, "vpc-bp1h8vbrbcgohcju50005"], &json!(3))
        );
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
}
