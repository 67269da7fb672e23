//! A call as its operation sees it: the caller, the time and the parameters.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;

use super::accounts::AccessKey;
use super::answer::ErrorAnswer;
use super::arrived::Arrived;
use super::codec;
use super::history::AsOf;
use crate::domain::{AccountUid, Hour, OrderType};

/// The parameters of a call: query and form body merged (API §1). An empty value counts as absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    pub(super) fn new(query: &str, form: &str) -> Self {
        let pairs = codec::pairs(query).into_iter().chain(codec::pairs(form));
        Self(pairs.collect())
    }

    pub(super) fn of(arrived: &Arrived) -> Self {
        let form = arrived.header("content-type").starts_with("application/x-www-form-urlencoded");
        let form = if form { String::from_utf8_lossy(arrived.body) } else { Default::default() };
        Self::new(arrived.query, &form)
    }

    /// The names of all parameters, also of empty ones.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn names_with_value(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.as_str())
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }

    /// The request that a `ClientToken` stands for, as one text: every parameter that means something, but the token.
    pub(super) fn fingerprint(&self) -> String {
        let means = |(name, value): &(&String, &String)| !value.is_empty() && !ignored(name);
        let pairs = self.0.iter().filter(means).filter(|(name, _)| *name != "ClientToken");
        pairs.map(|(name, value)| format!("{}={}&", codec::encode(name), codec::encode(value))).collect()
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, ErrorAnswer> {
        self.text(name).ok_or_else(|| {
            ErrorAnswer::bad(format!("MissingParameter.{name}"), format!("The parameter {name} is mandatory."))
        })
    }

    /// A parameter parsed, or `None` if it is absent.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, ErrorAnswer> {
        self.text(name).map(|text| text.parse().map_err(|why| ErrorAnswer::invalid(name, why))).transpose()
    }

    /// A parameter parsed; it is an error if it is absent.
    pub(super) fn needed<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, ErrorAnswer> {
        self.required(name)?.parse().map_err(|why| ErrorAnswer::invalid(name, why))
    }

    /// A whole number from `min` to `max`; `default` if it is absent.
    pub(super) fn number(&self, name: &str, min: usize, max: usize, default: usize) -> Result<usize, ErrorAnswer> {
        match self.parsed::<usize>(name)? {
            None => Ok(default),
            Some(n) if (min..=max).contains(&n) => Ok(n),
            Some(_) => Err(ErrorAnswer::invalid(name, format!("it must be from {min} to {max}"))),
        }
    }

    /// True or false, in upper or lower case (API §1); false if it is absent.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ErrorAnswer> {
        match self.text(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(ErrorAnswer::invalid(name, "it must be true or false")),
        }
    }

    pub(super) fn order_type(&self) -> Result<Option<OrderType>, ErrorAnswer> {
        let parse = |text| {
            OrderType::parse(text)
                .ok_or_else(|| ErrorAnswer::invalid("OrderType", "it must be PayByCenOwner or PayByResourceOwner"))
        };
        self.text("OrderType").map(parse).transpose()
    }
}

/// Who makes a call, as `GetCallerIdentity` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CallerIdentity {
    pub(super) account: AccountUid,
    /// Empty if the call was not signed.
    pub(super) access_key_id: String,
    /// `<role>/<session>` of a session; `None` for the account itself.
    pub(super) role: Option<String>,
}

impl CallerIdentity {
    pub(super) fn of(account: &AccountUid, key: &AccessKey) -> Self {
        let role = || key.role.clone().unwrap_or_else(|| "simulated/simulated".into());
        let role = key.token.is_some().then(role);
        Self { account: account.clone(), access_key_id: key.id.clone(), role }
    }
}

#[derive(Debug, Clone)]
pub(super) struct ApiCall {
    pub(super) product: &'static str,
    pub(super) operation: String,
    pub(super) caller: CallerIdentity,
    pub(super) params: Params,
    pub(super) request_id: String,
    pub(super) now: Timestamp,
    /// The length of the billing hour.
    pub(super) hour: Hour,
    /// The past that its reads see.
    pub(super) as_of: AsOf,
}

impl ApiCall {
    pub(super) fn client_token(&self) -> Option<String> {
        self.params.text("ClientToken").map(str::to_owned)
    }
}

/// Parameters that every operation takes and ignores (API §1).
const HIDDEN: [&str; 4] = ["OwnerAccount", "OwnerId", "ResourceOwnerAccount", "ResourceOwnerId"];

/// Parameters of the protocol, which an older signature puts into the query.
const PROTOCOL: [&str; 10] = [
    "AccessKeyId",
    "Action",
    "Format",
    "SecurityToken",
    "Signature",
    "SignatureMethod",
    "SignatureNonce",
    "SignatureVersion",
    "Timestamp",
    "Version",
];

/// Whether a parameter means nothing to the operation.
pub(super) fn ignored(name: &str) -> bool {
    HIDDEN.contains(&name) || PROTOCOL.contains(&name)
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
