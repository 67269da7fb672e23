//! `DescribeCens` (API §A.12).

use serde_json::{Value, json};

use super::answer::{ErrorAnswer, Success};
use super::paging::NumberedPage;
use super::request::ApiCall;
use super::world::World;
use crate::domain::CenId;

/// The most filters that a call takes, and the most values that a filter takes.
const FILTERS: usize = 5;

/// Lists the caller's CENs, in the order of their ids. A CEN matches when it matches one value of every filter.
pub(super) fn list(world: &mut World, call: &ApiCall) -> Result<Success, ErrorAnswer> {
    let params = &call.params;
    let filters = (1..=FILTERS).map(|n| filter(call, n)).collect::<Result<Vec<_>, _>>()?;
    let page = NumberedPage::asked(params)?;
    // A simulated CEN has neither tags nor a resource group.
    let grouped = ["ResourceGroupId", "Tag.1.Key"].iter().any(|name| params.text(name).is_some());
    let own = world.cens.iter().filter(|(_, state)| !grouped && state.owner == call.caller.account);
    let found = own.map(|(cen, _)| cen).filter(|cen| filters.iter().flatten().all(|filter| filter.matches(cen)));
    let (shown, total) = page.of(found.collect());
    let items: Vec<Value> = shown.into_iter().map(item).collect();
    Ok(page.answer("Cens", json!({"Cen": items}), total))
}

/// One filter: a CEN passes if its id, or its name, is one of the values.
struct CenFilter<'c> {
    by_id: bool,
    values: Vec<&'c str>,
}

impl CenFilter<'_> {
    fn matches(&self, cen: &CenId) -> bool {
        // A simulated CEN has no name.
        self.by_id && self.values.contains(&cen.as_str())
    }
}

fn filter(call: &ApiCall, n: usize) -> Result<Option<CenFilter<'_>>, ErrorAnswer> {
    let name = format!("Filter.{n}.Key");
    let values = (1..=FILTERS).filter_map(|m| call.params.text(&format!("Filter.{n}.Value.{m}"))).collect();
    match call.params.text(&name) {
        None => Ok(None),
        Some(key @ ("CenId" | "Name")) => Ok(Some(CenFilter { by_id: key == "CenId", values })),
        Some(_) => Err(ErrorAnswer::invalid(&name, "it must be CenId or Name")),
    }
}

fn item(cen: &CenId) -> Value {
    json!({
        "CenId": cen,
        "Name": "",
        "Description": "",
        "Status": "Active",
        "CreationTime": "2021-03-15T02:14Z",
        "ProtectionLevel": "REDUCED",
        "ResourceGroupId": "",
        "CenBandwidthPackageIds": {"CenBandwidthPackageId": []},
        "Tags": {"Tag": []},
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::simulator::World;
    use crate::simulator::testing::{Bench, CEN, CEN_OWNER, RESOURCE, TR};

    #[tokio::test]
    async fn an_account_sees_its_own_cens_and_can_ask_for_some() {
        let mut world = World::from_toml(include_str!("../../examples/world.toml")).unwrap();
        let other: crate::domain::CenId = "cen-44m0p68spvlrqq0002".parse().unwrap();
        world.add_cen(&other, &CEN_OWNER.parse().unwrap()).unwrap();
        let bench = Bench::of(world);
        let list = async |key, params: &str| bench.call(key, "DescribeCens", params).await.json();
        for (params, found) in [
            (String::new(), 2),
            (format!("Filter.1.Key=CenId&Filter.1.Value.1={CEN}"), 1),
            (format!("Filter.1.Key=CenId&Filter.1.Value.1={CEN}&Filter.1.Value.2={other}"), 2),
            (format!("Filter.1.Key=CenId&Filter.1.Value.1={CEN}&Filter.2.Key=CenId&Filter.2.Value.1={other}"), 0),
            ("Filter.1.Key=CenId&Filter.1.Value.1=cen-44m0p68spvlrqq0009".to_owned(), 0),
            ("Filter.1.Key=Name&Filter.1.Value.1=n".to_owned(), 0),
        ] {
            let body = list(TR, &params).await;
            assert_eq!(body["TotalCount"], found, "{params}");
            assert_eq!(body["Cens"]["Cen"].as_array().unwrap().len(), found, "{params}");
        }
        let first = &list(TR, "PageSize=1").await["Cens"]["Cen"][0];
        assert_eq!((&first["CenId"], &first["Status"]), (&json!(CEN), &json!("Active")));
        assert_eq!(list(TR, "PageSize=51").await["Code"], "InvalidParameter");
        assert_eq!(list(TR, "Filter.1.Key=Owner&Filter.1.Value.1=a").await["Code"], "InvalidParameter");
        let body = list(RESOURCE, &format!("Filter.1.Key=CenId&Filter.1.Value.1={CEN}")).await;
        assert_eq!((&body["Cens"]["Cen"], &body["TotalCount"]), (&json!([]), &json!(0)));
    }
}
