//! A verified call: who calls, what, with which parameters.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;

use super::codec;
use super::combinations;
use super::envelope::Refusal;
use super::history::AsOf;
use crate::domain::{AccountUid, Hour, OrderType};

/// The parameters of a call: query and form body merged (API §1), an empty value counting as absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    pub(super) fn new(query: &str, form: &str) -> Self {
        let pairs = codec::pairs(query).into_iter().chain(codec::pairs(form));
        Self(pairs.collect())
    }

    /// All names as they came.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn names_with_value(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.as_str())
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }

    /// Everything of a meaning but the token, as one comparable text: what a ClientToken stands for.
    pub(super) fn fingerprint(&self) -> String {
        let means = |(name, value): &(&String, &String)| !value.is_empty() && !combinations::ignored(name);
        let pairs = self.0.iter().filter(means).filter(|(name, _)| *name != "ClientToken");
        pairs.map(|(name, value)| format!("{}={}&", codec::encode(name), codec::encode(value))).collect()
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name).ok_or_else(|| {
            Refusal::bad(format!("MissingParameter.{name}"), format!("The parameter {name} is mandatory."))
        })
    }

    /// A parameter of some shape, if it is there.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Refusal> {
        self.text(name).map(|text| text.parse().map_err(|why| Refusal::invalid(name, why))).transpose()
    }

    /// A parameter of some shape that must be there.
    pub(super) fn needed<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, Refusal> {
        self.required(name)?.parse().map_err(|why| Refusal::invalid(name, why))
    }

    /// A whole number within bounds; `default` when absent.
    pub(super) fn number(&self, name: &str, min: usize, max: usize, default: usize) -> Result<usize, Refusal> {
        match self.parsed::<usize>(name)? {
            None => Ok(default),
            Some(n) if (min..=max).contains(&n) => Ok(n),
            Some(_) => Err(Refusal::invalid(name, format!("it lies between {min} and {max}"))),
        }
    }

    /// A flag, in any case of letters (API §1); false when absent.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.text(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Refusal::invalid(name, "it is true or false")),
        }
    }

    /// `OrderType`, if it is there.
    pub(super) fn order_type(&self) -> Result<Option<OrderType>, Refusal> {
        let parse = |text| OrderType::parse(text).ok_or_else(|| Refusal::invalid("OrderType", "no such payer"));
        self.text("OrderType").map(parse).transpose()
    }
}

/// Whose key signed the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) account: AccountUid,
    pub(super) access_key_id: String,
    /// `<role>/<session>`, for a session.
    pub(super) role: Option<String>,
}

/// A verified call on its way to its operation.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) product: &'static str,
    pub(super) operation: String,
    pub(super) caller: Caller,
    pub(super) params: Params,
    pub(super) request_id: String,
    pub(super) now: Timestamp,
    /// The billing hour.
    pub(super) hour: Hour,
    /// Which past its reads see.
    pub(super) as_of: AsOf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_and_form_are_one_and_hidden_parameters_are_ignored() {
        let params = Params::new("CenId=a&OwnerId=1&NextToken=", "ClientToken=t+1&MaxResults=5");
        assert_eq!((params.text("CenId"), params.text("ClientToken")), (Some("a"), Some("t 1")));
        assert_eq!(params.text("NextToken"), None);
        assert_eq!(params.fingerprint(), "CenId=a&MaxResults=5&");
        assert_eq!(params.number("MaxResults", 1, 100, 20), Ok(5));
        assert_eq!(params.number("PageSize", 1, 50, 10), Ok(10));
        assert_eq!(params.number("MaxResults", 1, 4, 2).unwrap_err().code, "InvalidParameter");
        assert_eq!(params.required("InstanceId").unwrap_err().code, "MissingParameter.InstanceId");
        assert_eq!(Params::new("DryRun=True", "").flag("DryRun"), Ok(true));
    }
}
