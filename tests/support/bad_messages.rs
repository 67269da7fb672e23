//! What requesters send by mistake or on purpose: every message of it is wrong in its own way, and each says where.

use serde_json::{Value, json};

/// A message that is no job.
#[derive(Debug, Clone)]
pub struct Bad {
    /// What is wrong with it, in one word or two; no two have the same.
    pub name: &'static str,
    pub body: Vec<u8>,
    pub routing_key: String,
    pub message_id: Option<String>,
    pub reply_to: Option<String>,
    /// Where its faults are, sorted: JSON Pointers, or `amqp:` and a property.
    pub at: Vec<&'static str>,
}

impl Bad {
    /// With the body that gets no further than to be read.
    fn raw(name: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let routing_key = "job.grant".to_owned();
        Self { name, body: body.into(), routing_key, message_id: None, reply_to: None, at: vec![""] }
    }

    fn json(name: &'static str, body: &Value, at: &[&'static str]) -> Self {
        let mut at = at.to_vec();
        at.sort_unstable();
        let routing_key = body["kind"].as_str().filter(|kind| KINDS.contains(kind)).unwrap_or("grant");
        let routing_key = format!("job.{routing_key}");
        Self { routing_key, at, ..Self::raw(name, body.to_string()) }
    }

    fn keyed(self, routing_key: &str) -> Self {
        Self { routing_key: routing_key.into(), ..self }
    }

    fn named(self, message_id: impl Into<String>) -> Self {
        Self { message_id: Some(message_id.into()), ..self }
    }

    fn answered(self, reply_to: impl Into<String>) -> Self {
        Self { reply_to: Some(reply_to.into()), ..self }
    }
}

const KINDS: [&str; 3] = ["grant", "revoke", "payer-change"];

/// A grant of which everything is right.
pub fn good() -> Value {
    json!({
        "id": "NET-4312/1",
        "kind": "grant",
        "instance": {
            "type": "VPC", "id": "vpc-bp1h8vbrbcgohcju50003", "region": "cn-hangzhou", "owner": "1688000000000001"
        },
        "cen": {"id": "cen-44m0p68spvlrqq0001", "owner": "1250123456123456"},
    })
}

/// The good job with `value` at `pointer`, where there may have been nothing.
pub fn with(pointer: &str, value: Value) -> Value {
    let mut job = good();
    set(&mut job, pointer, value);
    job
}

fn set(job: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer to a member");
    job.pointer_mut(parent).expect("the parent is there")[name] = value;
}

fn both(changes: &[(&str, Value)]) -> Value {
    let mut job = good();
    changes.iter().for_each(|(pointer, value)| set(&mut job, pointer, value.clone()));
    job
}

fn without(pointer: &str) -> Value {
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer to a member");
    let mut job = good();
    job.pointer_mut(parent).and_then(Value::as_object_mut).expect("the parent is there").remove(name);
    job
}

fn labels(count: usize) -> Value {
    Value::Object((0..count).map(|n| (format!("label-{n}"), json!("value"))).collect())
}

/// All of them. `prefix` is what the names of the worker's queues begin with.
pub fn corpus(prefix: &str) -> Vec<Bad> {
    [unreadable(), ids(), kinds(), names(), owners(), payers(), times(), extras(), envelopes(prefix)].concat()
}

/// Bodies that are no JSON object that anybody could read for certain.
fn unreadable() -> Vec<Bad> {
    let text = good().to_string();
    let inside = |more: &str| text.replacen('{', &format!("{{{more},"), 1);
    let cut = |bytes: usize| text.as_bytes()[..bytes].to_vec();
    let padded = |bytes: usize| format!("{text}{}", " ".repeat(bytes - text.len()));
    let nested = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    vec![
        Bad::raw("empty", ""),
        Bad::raw("only space", " \r\n\t"),
        Bad::raw("cut after a byte", cut(1)),
        Bad::raw("cut in the middle", cut(text.len() / 2)),
        Bad::raw("cut before the last byte", cut(text.len() - 1)),
        Bad::raw("cut within a character", [&cut(text.len() - 1)[..], br#","labels":{"a":""#, &[0xe4, 0xbd]].concat()),
        Bad::raw("no JSON at all", "please grant vpc-bp1h8vbrbcgohcju50003"),
        Bad::raw("XML", "<job><id>NET-4312/1</id></job>"),
        Bad::raw("a form", "id=NET-4312%2F1&kind=grant"),
        Bad::raw("YAML", "id: NET-4312/1\nkind: grant\n"),
        Bad::raw("single quotes", text.replace('"', "'")),
        Bad::raw("a trailing comma", text.replacen("\"kind\":\"grant\"", "\"kind\":\"grant\",", 1) + ","),
        Bad::raw("a comment", format!("// urgent\n{text}")),
        Bad::raw("a byte order mark", [b"\xef\xbb\xbf", text.as_bytes()].concat()),
        Bad::raw("UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
        Bad::raw("Latin-1", inside("\"labels\":{\"who\":\"J\u{fc}rgen\"}").replace('\u{fc}', "\x01").into_bytes())
            .latin_1(),
        Bad::raw("overlong UTF-8", [&cut(text.len() - 1)[..], b",\"labels\":{\"a\":\"\xc0\xaf\"}}"].concat()),
        Bad::raw("half a surrogate pair", inside(r#""labels":{"a":"\ud83d"}"#)),
        Bad::raw("a bare control character", inside("\"labels\":{\"a\":\"x\u{1}y\"}")),
        Bad::raw("two jobs", format!("{text}{text}")),
        Bad::raw("two jobs in lines", format!("{text}\n{text}\n")),
        Bad::raw("an array of jobs", format!("[{text}]")),
        Bad::raw("null", "null"),
        Bad::raw("true", "true"),
        Bad::raw("a number", "4312"),
        Bad::raw("a string", "\"NET-4312/1\""),
        Bad::raw("a job in a string", Value::String(text.clone()).to_string()),
        Bad::raw("not a number", inside(r#""priority":NaN"#)),
        Bad::raw("a number beyond all bounds", inside(r#""priority":1e999"#)),
        Bad::raw("a leading zero", inside(r#""priority":007"#)),
        Bad::raw("deep arrays", "[".repeat(30_000)),
        Bad::raw("deep objects", nested(5_000)),
        Bad::raw("deep labels", inside(&format!(r#""labels":{}"#, nested(200)))),
        Bad::raw("one byte too large", padded(64 * 1024 + 1)),
        Bad::raw("a mebibyte", padded(1 << 20)),
        Bad::raw("a mebibyte of brackets", "[".repeat(1 << 20)),
        Bad::raw("a key twice", inside(r#""kind":"revoke""#)),
        Bad::raw("an order type twice", inside(r#""order_type":"PayByCenOwner","order_type":"PayByResourceOwner""#)),
        Bad::raw("an escaped key twice", inside(r#""\u006bind":"revoke""#)),
        Bad::raw("an owner twice", text.replacen(r#""cen":{"#, r#""cen":{"owner":"1688000000000001","#, 1)),
        Bad::raw("a long key twice", inside(&format!("\"{0}\":1,\"{0}\":2", "\u{7f}".repeat(30_000)))),
        Bad::raw("a label twice", inside(r#""labels":{"ticket":"NET-1","ticket":"NET-2"}"#)),
    ]
}

impl Bad {
    /// Every `\x01` becomes a byte that is a letter in Latin-1 and nothing in UTF-8.
    fn latin_1(mut self) -> Self {
        self.body.iter_mut().filter(|byte| **byte == 1).for_each(|byte| *byte = 0xfc);
        self
    }
}

fn ids() -> Vec<Bad> {
    vec![
        Bad::json("no id anywhere", &without("/id"), &["/id"]),
        Bad::json("an empty id", &with("/id", json!("")), &["/id"]),
        Bad::json("a long id", &with("/id", json!("x".repeat(129))), &["/id"]),
        Bad::json("an id of outbound with marks", &with("/id", json!("réseau-1")), &["/id"]),
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

fn kinds() -> Vec<Bad> {
    vec![
        Bad::json("no kind", &without("/kind"), &["/kind"]),
        Bad::json("an unknown kind", &with("/kind", json!("attach")), &["/kind"]),
        Bad::json("a kind in capitals", &with("/kind", json!("Grant")), &["/kind"]),
        Bad::json("a kind with a space", &with("/kind", json!("grant ")), &["/kind"]),
        Bad::json("a kind with an underscore", &with("/kind", json!("payer_change")), &["/kind"]),
        Bad::json("a kind that is null", &with("/kind", Value::Null), &["/kind"]),
        Bad::json("a kind that is a list", &with("/kind", json!(["grant"])), &["/kind"]),
        Bad::json("a kind of sixty thousand outbound", &with("/kind", json!("g".repeat(60_000))), &["/kind"]),
        Bad::json("a kind of unprintables", &with("/kind", json!("\u{7f}".repeat(60_000))), &["/kind"]),
        Bad::json("an unknown mode", &with("/mode", json!("dry-run")), &["/mode"]),
        Bad::json("a mode that is true", &with("/mode", json!(true)), &["/mode"]),
        Bad::json("a mode that is null", &with("/mode", Value::Null), &["/mode"]),
    ]
}

fn names() -> Vec<Bad> {
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
        Bad::json("a type in small outbound", &with("/instance/type", json!("vpc")), &["/instance/type"]),
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

fn owners() -> Vec<Bad> {
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

impl Bad {
    fn found(self, at: &[&'static str]) -> Self {
        Self { at: at.to_vec(), ..self }
    }
}

fn payers() -> Vec<Bad> {
    let ccn = json!({"type": "CCN", "id": "ccn-bp1h8vbrbcgohcju50003", "region": "cn-hangzhou", "owner": "1"});
    let payer = |name, payer: Value| Bad::json(name, &with("/order_type", payer), &["/order_type"]);
    let changing = |payer: Value| both(&[("/kind", json!("payer-change")), ("/order_type", payer)]);
    let pay = "PayByResourceOwner";
    vec![
        payer("a payer in other outbound", json!("payByCenOwner")),
        payer("a payer with a synonym", json!("cen-owner")),
        payer("a payer that is null", Value::Null),
        payer("a payer that is an object", json!({"pay": "PayByCenOwner"})),
        Bad::json("a payer change without a payer", &with("/kind", json!("payer-change")), &["/order_type"]),
        Bad::json("a payer change to nobody", &changing(json!("")), &["/order_type"]),
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

fn times() -> Vec<Bad> {
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

fn extras() -> Vec<Bad> {
    let revoking = |options: Value| both(&[("/kind", json!("revoke")), ("/options", options)]);
    let mut many = good();
    (0..80).for_each(|n| many[format!("field-{n:02}")] = json!(n));
    let mut strange = good();
    strange[&"\u{1}\u{7f}".repeat(9_000)] = json!(1);
    vec![
        Bad::json("a field mistyped", &with("/order-type", json!("PayByCenOwner")), &["/order-type"]),
        Bad::json("a field in capitals", &with("/Kind", json!("grant")), &["/Kind"]),
        Bad::json("a field of no name", &with("/", json!(1)), &["/"]),
        Bad::json("a field of the instance", &with("/instance/name", json!("prod")), &["/instance/name"]),
        Bad::json("a field of the CEN", &with("/cen/region", json!("cn-hangzhou")), &["/cen/region"]),
        Bad::json("a field that needs escaping", &with_key("a/b~c"), &["/a~1b~0c"]),
        Bad::json("a prototype", &with("/__proto__", json!({"kind": "revoke"})), &["/__proto__"]),
        Bad::json("eighty fields", &many, &FIFTY),
        Bad::json("a field of eighteen thousand unprintables", &strange, &[UNPRINTABLE]),
        Bad::json("options of a grant", &with("/options", json!({"attachments": "delete"})), &["/options/attachments"]),
        Bad::json("options that are a list", &with("/options", json!([])), &["/options"]),
        Bad::json("an unknown option", &revoking(json!({"force": true})), &["/options/force"]),
        Bad::json("an unknown choice", &revoking(json!({"attachments": "keep"})), &["/options/attachments"]),
        Bad::json("a choice that is true", &revoking(json!({"attachments": true})), &["/options/attachments"]),
        Bad::json("seventeen labels", &with("/labels", labels(17)), &["/labels"]),
        Bad::json("labels that are a list", &with("/labels", json!(["ticket"])), &["/labels"]),
        Bad::json("labels that are null", &with("/labels", Value::Null), &["/labels"]),
        Bad::json("a label that is a number", &with("/labels", json!({"ticket": 4312})), &["/labels/ticket"]),
        Bad::json("a label of no name", &with("/labels", json!({"": "x"})), &["/labels/"]),
        Bad::json("a long label", &with("/labels", json!({"ticket": "x".repeat(257)})), &["/labels/ticket"]),
        Bad::json("a label of a long name", &with("/labels", json!({LONG: "x"})), &[LONG_AT]),
        Bad::json(
            "everything at once",
            &json!({"id": 1, "kind": "move", "instance": {"type": "VPC", "id": "vbr-bp1svadp4lq38janc0001"}, "cen": [],
                    "order_type": "me", "not_before": "now", "mode": "test", "labels": {"a": 1}, "urgent": true}),
            &[
                "/id",
                "/kind",
                "/instance/id",
                "/instance/region",
                "/instance/owner",
                "/cen",
                "/order_type",
                "/not_before",
                "/mode",
                "/labels/a",
                "/urgent",
            ],
        ),
    ]
}

fn with_key(key: &str) -> Value {
    let mut job = good();
    job[key] = json!(1);
    job
}

/// 65 bytes, one more than a label's name may have; pointers show 64.
const LONG: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const LONG_AT: &str = "/labels/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// The part of such a name that a pointer shows.
const UNPRINTABLE: &str = "/\u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\
    \u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\
    \u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\
    \u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}\u{1}\u{7f}";

/// No more than these are listed.
const FIFTY: [&str; 50] = [
    "/field-00",
    "/field-01",
    "/field-02",
    "/field-03",
    "/field-04",
    "/field-05",
    "/field-06",
    "/field-07",
    "/field-08",
    "/field-09",
    "/field-10",
    "/field-11",
    "/field-12",
    "/field-13",
    "/field-14",
    "/field-15",
    "/field-16",
    "/field-17",
    "/field-18",
    "/field-19",
    "/field-20",
    "/field-21",
    "/field-22",
    "/field-23",
    "/field-24",
    "/field-25",
    "/field-26",
    "/field-27",
    "/field-28",
    "/field-29",
    "/field-30",
    "/field-31",
    "/field-32",
    "/field-33",
    "/field-34",
    "/field-35",
    "/field-36",
    "/field-37",
    "/field-38",
    "/field-39",
    "/field-40",
    "/field-41",
    "/field-42",
    "/field-43",
    "/field-44",
    "/field-45",
    "/field-46",
    "/field-47",
    "/field-48",
    "/field-49",
];

fn envelopes(prefix: &str) -> Vec<Bad> {
    let reserved = |queue: &str| format!("{prefix}.{queue}");
    vec![
        Bad::json("a grant sent as a revoke", &good(), &["amqp:routing_key"]).keyed("job.revoke"),
        Bad::json("a grant sent as nothing known", &good(), &["amqp:routing_key"]).keyed("job.attach"),
        Bad::json("a grant sent under half a key", &good(), &["amqp:routing_key"]).keyed("job."),
        Bad::json("a grant sent under a longer key", &good(), &["amqp:routing_key"]).keyed("job.grant.now"),
        Bad::json("answers to the jobs queue", &good(), &["amqp:reply_to"]).answered(reserved("jobs")),
        Bad::json("answers to the dead", &good(), &["amqp:reply_to"]).answered(reserved("dead")),
        Bad::json("answers to a queue to be", &good(), &["amqp:reply_to"]).answered(reserved("next")),
        Bad::json("answers to nobody", &good(), &["amqp:reply_to"]).answered(""),
        Bad::json(
            "a wrong key and a wrong kind of answer",
            &with("/mode", json!("try")),
            &["/mode", "amqp:reply_to", "amqp:routing_key"],
        )
        .keyed("job.revoke")
        .answered(reserved("jobs")),
        Bad::raw("nothing to read and no way to answer", "{").answered(reserved("dead")).found(&["", "amqp:reply_to"]),
    ]
}
