//! The points about grant rules.

use serde_json::{Value, json};

use super::fixtures::*;
use super::*;

#[test]
fn ecr_is_taken_or_empty_or_refused() {
    let mut looked = vpc();
    let read = looked.ecr_rules.clone().unwrap();
    looked.ecr_rules = Some(refused_with(&read, "InvalidParameter"));
    differs(&looked, "ecr-to-cen", "InvalidParameter");
    looked.ecr_rules = Some(with(&read, "GrantRules", &[]));
    unclear(&looked, "ecr-to-cen", "ask with an ECR");
    let mut looked = as_taken_for_true(InstanceType::ECR);
    looked.rules = with(&looked.rules, "GrantRules", &[]);
    differs(&looked, "ecr-to-cen", "the owner of ecr-");
}

#[test]
fn the_payer_in_force_is_shown_on_every_rule_or_not() {
    let kind = InstanceType::VPC;
    let without = |n| {
        let mut rule = rule(kind, n);
        rule["EffectiveOrderType"] = Value::Null;
        rule
    };
    let mut looked = vpc();
    let read = looked.rules.clone();
    looked.rules = with(&read, "GrantRules", &[rule(kind, 1), without(2), rule(kind, 4)]);
    agrees(&looked, "effective-attached", "on 1 of 1");
    differs(&looked, "effective-unattached", "on 1 of 2");
    looked.rules = with(&read, "GrantRules", &[without(1), without(2)]);
    differs(&looked, "effective-attached", "on 0 of 1");
    let mut pending = rule(kind, 1);
    pending["OrderType"] = json!("PayByResourceOwner");
    looked.rules = with(&read, "GrantRules", &[pending]);
    agrees(&looked, "effective-attached", "on 1 it is another than OrderType");
    unclear(&looked, "effective-unattached", "surely unattached");
    // Lists that were not read, or not to their ends, leave open what they do not show.
    looked.rules = read;
    let routers = looked.routers.clone();
    let odd = [router(1, "cn-hangzhou", "Enterprise"), router(2, "cn-beijing", "Ultimate")];
    looked.routers = with(&routers, "TransitRouters", &odd);
    unclear(&looked, "effective-unattached", "surely unattached");
    looked.routers = routers;
    looked.attachments = vec![cut_short(&looked.attachments[0])];
    agrees(&looked, "effective-attached", "on 1 of 1");
    unclear(&looked, "effective-unattached", "surely unattached");
}

#[test]
fn both_sides_are_shown_the_same_payer_in_force_or_not() {
    let mut looked = vpc();
    let (mine, theirs) = (looked.to_resource.clone(), looked.rules.clone());
    agrees(&looked, "effective-resource", "on both sides");
    let own = |payer: Value| json!({"CenId": CEN, "EffectiveOrderType": payer});
    looked.to_resource = with(&mine, "GrantRules", &[own(json!("PayByResourceOwner"))]);
    differs(&looked, "effective-resource", "PayByResourceOwner to the owner, PayByCenOwner");
    looked.to_resource = with(&mine, "GrantRules", &[own(Value::Null)]);
    differs(&looked, "effective-resource", "has none");
    looked.to_resource = with(&mine, "GrantRules", &[json!({"CenId": "cen-2"})]);
    unclear(&looked, "effective-resource", "no rule of");
    looked.to_resource = mine;
    looked.rules = with(&theirs, "GrantRules", &[]);
    agrees(&looked, "effective-resource", "is shown no rule");
    let without = json!({"CenId": CEN, "ChildInstanceId": id(InstanceType::VPC, 1)});
    looked.rules = with(&theirs, "GrantRules", &[without]);
    differs(&looked, "effective-resource", "none to the owner of the CEN");
}

#[test]
fn a_time_is_a_text_or_a_number() {
    let mut looked = vpc();
    let read = looked.rules.clone();
    for (time, part) in [(json!(1_706_114_760_000_u64), "a number"), (Value::Null, "neither"), (json!([]), "neither")] {
        let mut odd = rule(InstanceType::VPC, 1);
        odd["CreateTime"] = time;
        looked.rules = with(&read, "GrantRules", &[odd, rule(InstanceType::VPC, 2)]);
        differs(&looked, "create-time", part);
    }
    looked.rules = with(&read, "GrantRules", &[]);
    unclear(&looked, "create-time", "no rule");
}

#[test]
fn rules_of_another_ccn_are_seen() {
    let mut looked = as_taken_for_true(InstanceType::CCN);
    let read = looked.to_resource.clone();
    let other = json!({"CcnInstanceId": "ccn-2", "CenInstanceId": CEN});
    looked.to_resource = with(&read, "GrantRules", &[other]);
    differs(&looked, "ccn-filter", "1 of 1");
    looked.to_resource = with(&read, "GrantRules", &[]);
    unclear(&looked, "ccn-filter", "no rule");
}
