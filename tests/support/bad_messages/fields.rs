//! Fields that are missing, or that have a value they cannot have.

use serde_json::{Value, json};

use super::{Bad, both, good, with, without};

pub fn ids() -> Vec<Bad> {
    vec![
        Bad::json("no id anywhere", &without("/id"), &["/id"]),
        Bad::json("an empty id", &with("/id", json!("")), &["/id"]),
        Bad::json("a long id", &with("/id", json!("x".repeat(129))), &["/id"]),
        Bad::json("an id of letters with marks", &with("/id", json!("réseau-1")), &["/id"]),
        Bad::json("an id with a line break", &with("/id", json!("NET-1\nkind: revoke")), &["/id"]),
        Bad::json("an id with a null character", &with("/id", json!("NET\u{0}1")), &["/id"]),
        Bad::json("an id that is a number", &with("/id", json!(4312)), &["/id"]),
        Bad::json("an id that is null", &with("/id", Value::Null), &["/id"]),
        Bad::json("an id that is a list", &with("/id", json!(["NET-4312/1"])), &["/id"]),
        Bad::json("an empty id beside a good message_id", &with("/id", json!("")), &["/id"]).named("NET-4312/1"),
        Bad::json("an empty message_id", &without("/id"), &["amqp:message_id"]).named(""),
        Bad::json("a long message_id", &without("/id"), &["amqp:message_id"]).named("x".repeat(129)),
        Bad::json("a message_id with a tab", &without("/id"), &["amqp:message_id"]).named("NET\t1"),
    ]
}

pub fn kinds() -> Vec<Bad> {
    vec![
        Bad::json("no kind", &without("/kind"), &["/kind"]),
        Bad::json("an unknown kind", &with("/kind", json!("attach")), &["/kind"]),
        Bad::json("a kind in capitals", &with("/kind", json!("Grant")), &["/kind"]),
        Bad::json("a kind with a space", &with("/kind", json!("grant ")), &["/kind"]),
        Bad::json("a kind with an underscore", &with("/kind", json!("payer_change")), &["/kind"]),
        Bad::json("a kind that is null", &with("/kind", Value::Null), &["/kind"]),
        Bad::json("a kind that is a list", &with("/kind", json!(["grant"])), &["/kind"]),
        Bad::json("a kind of sixty thousand letters", &with("/kind", json!("g".repeat(60_000))), &["/kind"]),
        Bad::json("a kind of unprintables", &with("/kind", json!("\u{7f}".repeat(60_000))), &["/kind"]),
        Bad::json("an unknown mode", &with("/mode", json!("dry-run")), &["/mode"]),
        Bad::json("a mode that is true", &with("/mode", json!(true)), &["/mode"]),
        Bad::json("a mode that is null", &with("/mode", Value::Null), &["/mode"]),
    ]
}

pub fn names() -> Vec<Bad> {
    let instance = |name, id: &str| Bad::json(name, &with("/instance/id", json!(id)), &["/instance/id"]);
    let typed = |name, kind: &str| {
        let of = json!({"type": kind, "id": "vpc-bp1h8vbrbcgohcju50003", "region": "cn-hangzhou", "owner": "1"});
        Bad::json(name, &with("/instance", of), &["/instance/id"])
    };
    let region = |name, region: Value| Bad::json(name, &with("/instance/region", region), &["/instance/region"]);
    let cen = |name, id: Value| Bad::json(name, &with("/cen/id", id), &["/cen/id"]);
    vec![
        Bad::json("no instance", &without("/instance"), &["/instance"]),
        Bad::json("an instance that is its id", &with("/instance", json!("vpc-bp1h8vbrbcgohcju50003")), &["/instance"]),
        Bad::json("an instance that is a list", &with("/instance", json!([])), &["/instance"]),
        Bad::json(
            "an empty instance",
            &with("/instance", json!({})),
            &["/instance/type", "/instance/id", "/instance/region", "/instance/owner"],
        ),
        Bad::json("no type", &without("/instance/type"), &["/instance/type"]),
        Bad::json("a type in small letters", &with("/instance/type", json!("vpc")), &["/instance/type"]),
        Bad::json("an unknown type", &with("/instance/type", json!("ALB")), &["/instance/type"]),
        Bad::json("a type that is a number", &with("/instance/type", json!(1)), &["/instance/type"]),
        Bad::json("no instance id", &without("/instance/id"), &["/instance/id"]),
        typed("the id of a VPC for a VBR", "VBR"),
        typed("the id of a VPC for a VPN", "VPN"),
        typed("the id of a VPC for an ECR", "ECR"),
        typed("the id of a VPC for a CCN", "CCN"),
        instance("a VBR for a VPC", "vbr-bp1svadp4lq38janc0001"),
        instance("a VPN gateway", "vpn-bp1h8vbrbcgohcju50003"),
        instance("a switch", "vsw-bp1h8vbrbcgohcju50003"),
        instance("a prefix alone", "vpc-"),
        instance("a short instance id", "vpc-bp1"),
        instance("a long instance id", &format!("vpc-{}", "a".repeat(41))),
        instance("an instance id in capitals", "VPC-BP1H8VBRBCGOHCJU50003"),
        instance("an instance id with a space", "vpc-bp1h8vbrbcgohcju50003 "),
        instance("an instance id with a parameter", "vpc-bp1h8vbrbcgohcju5&OrderType=PayByResourceOwner"),
        Bad::json("an instance id that is null", &with("/instance/id", Value::Null), &["/instance/id"]),
        Bad::json("no region", &without("/instance/region"), &["/instance/region"]),
        region("a city for a region", json!("hangzhou")),
        region("a region in capitals", json!("CN-HANGZHOU")),
        region("an empty region", json!("")),
        region("a host for a region", json!("cn-hangzhou.example.com")),
        region("a region that is a list", json!(["cn-hangzhou"])),
        region("a long region", json!(format!("cn-{}", "a".repeat(62)))),
        Bad::json("no CEN", &without("/cen"), &["/cen"]),
        Bad::json("a CEN that is its id", &with("/cen", json!("cen-44m0p68spvlrqq0001")), &["/cen"]),
        Bad::json("an empty CEN", &with("/cen", json!({})), &["/cen/id", "/cen/owner"]),
        cen("an instance for a CEN", json!("vpc-bp1h8vbrbcgohcju50003")),
        cen("a transit router for a CEN", json!("tr-bp1su1ytdxtataupl0001")),
        cen("a short CEN id", json!("cen-1")),
        cen("a CEN id that is a number", json!(44)),
    ]
}

pub fn owners() -> Vec<Bad> {
    let resource = |name, owner: Value| Bad::json(name, &with("/instance/owner", owner), &["/instance/owner"]);
    let cen = |name, owner: Value| Bad::json(name, &with("/cen/owner", owner), &["/cen/owner"]);
    vec![
        Bad::json("no resource account", &without("/instance/owner"), &["/instance/owner"]),
        Bad::json("no transit-router account", &without("/cen/owner"), &["/cen/owner"]),
        resource("an owner with a point", json!(1_688_000_000_000_001.5)),
        resource("a negative owner", json!(-1_688_000_000_000_001_i64)),
        resource("an owner by name", json!("payments-prod")),
        resource("an owner with a leading zero", json!("0168800000000001")),
        resource("an owner that is true", json!(true)),
        cen("a long owner", json!("123456789012345678901")),
        cen("an empty owner", json!("")),
        cen("an owner in other digits", json!("１２５０１２３４５６１２３４５６")),
        cen("an owner that is null", Value::Null),
        Bad::raw(
            "an owner as a power of ten",
            good().to_string().replacen("\"1250123456123456\"", "1.250123456123456e15", 1),
        )
        .found(&["/cen/owner"]),
        Bad::raw(
            "an owner beyond an integer",
            good().to_string().replacen("\"1250123456123456\"", "125012345612345612501", 1),
        )
        .found(&["/cen/owner"]),
    ]
}

pub fn payers() -> Vec<Bad> {
    let ccn = json!({"type": "CCN", "id": "ccn-bp1h8vbrbcgohcju50003", "region": "cn-hangzhou", "owner": "1"});
    let payer = |name, payer: Value| Bad::json(name, &with("/order_type", payer), &["/order_type"]);
    let changing = |payer: Value| both(&[("/kind", json!("payer-change")), ("/order_type", payer)]);
    let pay = "PayByResourceOwner";
    vec![
        payer("a payer in other letters", json!("payByCenOwner")),
        payer("a payer with a synonym", json!("cen-owner")),
        payer("a payer that is null", Value::Null),
        payer("a payer that is an object", json!({"pay": "PayByCenOwner"})),
        Bad::json("a payer change without a payer", &with("/kind", json!("payer-change")), &["/order_type"]),
        Bad::json("a payer change to no payer", &changing(json!("")), &["/order_type"]),
        Bad::json(
            "a revoke with a payer",
            &both(&[("/kind", json!("revoke")), ("/order_type", json!(pay))]),
            &["/order_type"],
        ),
        Bad::json(
            "a CCN with a payer",
            &both(&[("/instance", ccn.clone()), ("/order_type", json!(pay))]),
            &["/order_type"],
        ),
        Bad::json(
            "a payer change of a CCN",
            &both(&[("/kind", json!("payer-change")), ("/instance", ccn), ("/order_type", json!(pay))]),
            &["/kind"],
        ),
    ]
}

pub fn times() -> Vec<Bad> {
    let from = |name, time: Value| Bad::json(name, &with("/not_before", time), &["/not_before"]);
    let to = |name, time: Value| Bad::json(name, &with("/not_after", time), &["/not_after"]);
    vec![
        from("a time in words", json!("tomorrow")),
        from("a day alone", json!("2026-11-21")),
        from("a time without a zone", json!("2026-11-21T09:00:00")),
        from("a time in seconds", json!(1_795_251_600)),
        to("a thirteenth month", json!("2026-13-01T09:00:00Z")),
        to("a twenty-fifth hour", json!("2026-11-21T25:00:00Z")),
        to("a day that February lacks", json!("2026-02-30T09:00:00Z")),
        to("an empty time", json!("")),
        to("a time that is null", Value::Null),
        Bad::json(
            "an end before the beginning",
            &both(&[("/not_before", json!("2026-11-21T10:00:00Z")), ("/not_after", json!("2026-11-21T09:59:59Z"))]),
            &["/not_after"],
        ),
        Bad::json(
            "an end before the beginning in another zone",
            &both(&[
                ("/not_before", json!("2026-11-21T10:00:00Z")),
                ("/not_after", json!("2026-11-21T17:59:59+08:00")),
            ]),
            &["/not_after"],
        ),
    ]
}

pub fn batches() -> Vec<Bad> {
    let batch = |name, batch: Value, at: &[&'static str]| Bad::json(name, &with("/batch", batch), at);
    let size = |name, size: Value| batch(name, json!({"id": "B", "size": size}), &["/batch/size"]);
    vec![
        batch("a batch that is its id", json!("B"), &["/batch"]),
        batch("a batch that is null", Value::Null, &["/batch"]),
        batch("an empty batch", json!({}), &["/batch/id", "/batch/size"]),
        batch("a batch without a name", json!({"id": "", "size": 3}), &["/batch/id"]),
        size("a batch of no jobs", json!(0)),
        size("a batch of too many jobs", json!(1001)),
        size("a batch of less than no jobs", json!(-3)),
        size("a batch of half a job", json!(0.5)),
        size("a batch whose size is a word", json!("three")),
        batch(
            "a batch that does something else on failure",
            json!({"id": "B", "size": 3, "on_failure": "halt"}),
            &["/batch/on_failure"],
        ),
        batch("a batch until tomorrow", json!({"id": "B", "size": 3, "not_after": "tomorrow"}), &["/batch/not_after"]),
        batch(
            "a batch with a misspelt word",
            json!({"id": "B", "size": 3, "on-failure": "stop"}),
            &["/batch/on-failure"],
        ),
    ]
}
