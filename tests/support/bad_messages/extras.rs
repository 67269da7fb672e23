//! Fields that a job does not have, and options and labels that it cannot have.

use serde_json::{Value, json};

use super::{Bad, both, good, labels, with};

pub fn extras() -> Vec<Bad> {
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
        Bad::json("eighty fields", &many, &fifty()),
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
        Bad::json("a label that clears a screen", &with("/labels", json!({"a": "\u{1b}[2J"})), &["/labels/a"]),
        Bad::json("a label of two lines", &with("/labels", json!({"a": "x\ny"})), &["/labels/a"]),
        Bad::json("a label with the control of a name", &with("/labels", json!({"\u{9b}": "x"})), &["/labels/\u{9b}"]),
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
fn fifty() -> Vec<&'static str> {
    (0..50).map(|n| &*format!("/field-{n:02}").leak()).collect()
}
