//! The allow-rules, `[[allow]]`.

use super::schema;
use crate::document::{Table, value};
use crate::domain::webhook::HostPattern;
use crate::domain::{AccountUid, BadName, CenId, Kind, OrderType};
use crate::engine::policy::Allow;

/// Reads one rule to its end; `None` if something is wrong with it.
pub(super) fn rule(table: &Table<'_, '_>) -> Option<Allow> {
    let known = table.only(schema::ALLOW_KEYS) && table.requires("requesters");
    let strings = |key| table.list_of(key, |key, found| value::string(key, found).map(str::to_owned));
    let requesters = strings("requesters");
    let kinds =
        table.list_of("kinds", |key, found| value::word(key, found, &Kind::ALL.map(|kind| (kind.as_str(), kind))));
    let accounts = table.list_of("resource_accounts", name(|text| AccountUid::parse(text)));
    let cens = table.list_of("cens", name(|text| CenId::parse(text)));
    let payers = OrderType::ALL.map(|payer| (payer.as_str(), payer));
    let order_types = table.list_of("order_types", |key, found| value::word(key, found, &payers));
    let reply_to = strings("reply_to");
    let webhook_hosts = table.list_of("webhook_hosts", |key, found| {
        let text = value::string(key, found)?;
        HostPattern::parse(text).map_err(|why| format!("`{key}` cannot have {text:?}: {why}"))
    });
    let rule = Allow {
        requesters: requesters??,
        kinds: kinds?,
        resource_accounts: accounts?,
        cens: cens?,
        order_types: order_types?,
        reply_to: reply_to?,
        webhook_hosts: webhook_hosts?.unwrap_or_default(),
    };
    known.then_some(rule)
}

/// Reads an item that is a name of the field.
fn name<T>(parse: impl Fn(&str) -> Result<T, BadName>) -> impl Fn(&str, &toml::de::DeValue<'_>) -> Result<T, String> {
    move |key, found| parse(value::string(key, found)?).map_err(|bad| format!("`{key}`: {bad}"))
}
