//! The result of a read of the probe: all pages of a list, a refusal, or a failure. Pure.

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::{AccountUid, Operation};

/// Where the answer to an operation has its list: a field that is an array, or an object with the array in a second field.
fn list_of(operation: Operation) -> Option<(&'static str, &'static str)> {
    match operation {
        Operation::DescribeCenAttachedChildInstances => Some(("ChildInstances", "ChildInstance")),
        Operation::DescribeCens => Some(("Cens", "Cen")),
        Operation::DescribeGrantRules
        | Operation::DescribeGrantRulesToCen
        | Operation::DescribeGrantRulesToResource => Some(("GrantRules", "GrantRule")),
        Operation::DescribeVpnAttachments => Some(("VpnAttachments", "VpnAttachment")),
        Operation::ListTransitRouters => Some(("TransitRouters", "TransitRouter")),
        Operation::ListTransitRouterEcrAttachments
        | Operation::ListTransitRouterVbrAttachments
        | Operation::ListTransitRouterVpcAttachments
        | Operation::ListTransitRouterVpnAttachments => Some(("TransitRouterAttachments", "TransitRouterAttachment")),
        _ => None,
    }
}

/// The most characters of a word of the cloud that are shown.
const LONGEST: usize = 60;

/// A read and its result.
#[derive(Debug, Clone)]
pub(super) struct CompletedRead {
    pub account: AccountUid,
    pub operation: Operation,
    pub outcome: ReadOutcome,
    /// One for every page.
    pub request_ids: Vec<String>,
    /// The `Date` of each answer that is no refusal, if it had one, and when the answer came by this machine's clock.
    pub dates: Vec<(Option<Timestamp>, Timestamp)>,
}

/// The result of a read.
#[derive(Debug, Clone)]
pub(super) enum ReadOutcome {
    Answered(AnsweredList),
    /// Refused, with this error code.
    Refused(String),
    /// Not sent or not answered, for this reason.
    Failed(String),
}

/// The pages of an answer, joined.
#[derive(Debug, Clone, Default)]
pub(super) struct AnsweredList {
    /// The body of the first page.
    pub first: Value,
    pub items: Vec<Value>,
    /// `TotalCount` of the last page that had one.
    pub total: Option<u64>,
    /// Whether the last page was reached.
    pub complete: bool,
    /// The number of items of each page.
    pub pages: Vec<usize>,
    /// `NextToken` of the last page.
    pub next: Option<String>,
}

impl AnsweredList {
    /// Adds a page of `operation`. The page itself tells whether it is the last.
    pub fn add(&mut self, operation: Operation, body: Value) {
        let items = list_of(operation).map(|(outer, inner)| items(&body, outer, inner)).unwrap_or_default();
        self.total = count(&body, "TotalCount").or(self.total);
        self.next = text(&body, "NextToken").map(str::to_owned);
        self.pages.push(items.len());
        let is_empty = items.is_empty();
        self.items.extend(items);
        let counted =
            body.get("PageNumber").is_none() || self.total.is_none_or(|total| self.items.len() as u64 >= total);
        self.complete = self.next.is_none() && (counted || is_empty);
        if self.pages.len() == 1 {
            self.first = body;
        }
    }

    /// Whether the answer has a RequestId and nothing else.
    pub fn is_bare(&self) -> bool {
        self.first.as_object().is_some_and(|body| body.keys().all(|key| key.eq_ignore_ascii_case("RequestId")))
    }
}

fn items(body: &Value, outer: &str, inner: &str) -> Vec<Value> {
    let list = match body.get(outer) {
        Some(Value::Object(object)) => object.get(inner),
        other => other,
    };
    list.and_then(Value::as_array).cloned().unwrap_or_default()
}

/// A text that is not empty, without blanks around it.
pub(super) fn text<'a>(item: &'a Value, key: &str) -> Option<&'a str> {
    item.get(key)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// A uid or a count, which the cloud writes as a number or as a text.
pub(super) fn number(item: &Value, key: &str) -> Option<String> {
    match item.get(key)? {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        _ => None,
    }
}

fn count(body: &Value, key: &str) -> Option<u64> {
    number(body, key)?.parse().ok()
}

/// A word of the cloud, safe to show: short, and without control characters.
pub(super) fn shown(word: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    word.chars().take(LONGEST).map(plain).collect()
}

/// Whether a refusal says nothing about the question: its cause is a permission, the keys, the load or the cloud itself.
/// `Unauthorized` may be a missing permission too (API §D.3).
pub(super) fn is_beside_the_point(code: &str) -> bool {
    let code = code.to_ascii_lowercase();
    let of_keys = ["invalidaccesskey", "invalidsecuritytoken", "missingsecuritytoken", "signature", "invalidtimestamp"];
    let of_permission = ["nopermission", "forbidden", "unauthorized"];
    let of_load = ["internalerror", "serviceunavailable", "systembusy", "unknownerror", "user_not_open"];
    code.is_empty()
        || code.contains("throttling")
        || [&of_keys[..], &of_permission, &of_load].concat().iter().any(|word| code.starts_with(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pages_by_token_end_where_no_token_is() {
        let mut list = AnsweredList::default();
        let page = |ids: &[u8], next: &str| json!({"RequestId": "R", "TotalCount": 3, "NextToken": next, "GrantRules": {"GrantRule": ids}});
        list.add(Operation::DescribeGrantRulesToCen, page(&[1, 2], "t"));
        assert!(!list.complete && list.next.as_deref() == Some("t"));
        list.add(Operation::DescribeGrantRulesToCen, page(&[3], "\n"));
        assert!(list.complete && !list.is_bare());
        assert_eq!((list.items.len(), list.total, &list.pages[..]), (3, Some(3), &[2, 1][..]));
        assert_eq!(list.first["NextToken"], "t");
    }

    #[test]
    fn pages_by_number_end_where_the_count_is_reached_or_a_page_is_empty() {
        let page = |number: u8, ids: &[u8]| json!({"RequestId": "R", "TotalCount": "3", "PageNumber": number, "TransitRouters": ids});
        let mut list = AnsweredList::default();
        list.add(Operation::ListTransitRouters, page(1, &[1, 2]));
        assert!(!list.complete);
        let mut short = list.clone();
        list.add(Operation::ListTransitRouters, page(2, &[3]));
        short.add(Operation::ListTransitRouters, page(2, &[]));
        assert!(list.complete && short.complete);
        assert_eq!((list.items.len(), short.items.len()), (3, 2));
    }

    #[test]
    fn an_answer_with_nothing_but_a_request_id_is_bare() {
        for (body, bare) in [
            (json!({"RequestId": "R"}), true),
            (json!({"RequestId": "R", "GrantRules": []}), false),
            (json!({"RequestId": "R", "TotalCount": 0}), false),
        ] {
            let mut list = AnsweredList::default();
            list.add(Operation::DescribeGrantRulesToResource, body.clone());
            assert_eq!((list.is_bare(), list.complete), (bare, true), "{body}");
        }
    }

    #[test]
    fn refusals_for_other_causes_say_nothing_of_the_question() {
        for code in ["NoPermission", "Forbidden.RAM", "Unauthorized", "Throttling.User", "InternalError", ""] {
            assert!(is_beside_the_point(code), "{code}");
        }
        for code in ["IllegalParam.CenIdOrRegionId", "InvalidParameter", "MissingParameter.CenId"] {
            assert!(!is_beside_the_point(code), "{code}");
        }
    }

    #[test]
    fn what_is_shown_of_a_word_is_short_and_plain() {
        assert_eq!(shown("CEN\u{1b}[2J\n"), "CEN?[2J?");
        assert_eq!(shown(&"x".repeat(200)).len(), LONGEST);
    }
}
