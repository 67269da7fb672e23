//! Which events of the feed are meant, and how many bytes a page has.

use serde_json::Value;

use super::numbered::Numbered;
use crate::domain::{AccountUid, CenId, Requester, Topic};
use crate::engine::ports::store::Feed;

/// The most bytes of the events of a page, besides its first event.
pub(super) const PAGE_BYTES: usize = 1 << 20;

/// Which events of the feed are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FeedChoice {
    pub requester: Option<Requester>,
    pub kind: Option<Topic>,
    pub cen: Option<CenId>,
    pub account: Option<AccountUid>,
}

impl FeedChoice {
    /// Those events of a page that are meant.
    pub fn of<'a>(&'a self, feed: &'a Feed) -> impl Iterator<Item = Numbered<i64>> + 'a {
        let meant = feed.events.iter().filter(|event| self.takes(&event.event.text));
        meant.map(|event| Numbered { number: event.number, text: event.event.text.clone() })
    }

    /// Of an event that is about no job it cannot be told which CEN or account it concerns.
    fn takes(&self, text: &str) -> bool {
        if self.kind.is_none() && self.cen.is_none() && self.account.is_none() {
            return true;
        }
        let Ok(event) = serde_json::from_str::<Value>(text) else { return false };
        let is = |pointer: &str, wanted: &str| event.pointer(pointer).and_then(Value::as_str) == Some(wanted);
        let owner = |uid: &AccountUid| {
            ["/data/job/instance/owner", "/data/job/cen/owner"].iter().any(|pointer| is(pointer, uid.as_str()))
        };
        self.kind.is_none_or(|kind| is("/type", &kind.name()))
            && self.cen.as_ref().is_none_or(|cen| is("/data/job/cen/id", cen.as_str()))
            && self.account.as_ref().is_none_or(owner)
    }
}
