//! Reading every page of a list, and knowing whether it was every page.
//!
//! A list is complete if its last page was reached, if every item could be read, if no item with a key came twice, and if
//! the number of items is the `TotalCount` that all pages name. An empty list without `TotalCount` is incomplete: the
//! cloud answers a faulty parameter (API §A.5) and the wrong account (API §J) in the same way. A list with items needs no
//! count, because what it shows is there.

use std::collections::HashSet;

use serde_json_borrow::Value;

use super::request::RpcRequest;
use super::rpc::AccountClient;
use super::wire;
use crate::engine::ports::cloud::{Answer, CloudError, Listing};

/// The most a token-paged list gives in one page.
pub(super) const MAX_RESULTS: u64 = 100;
/// The most a number-paged list gives in one page (API §A.6, §A.9).
const PAGE_SIZE: u64 = 50;
/// After this many pages a list is not read on: 100,000 items are more than a CEN can hold.
const MAX_PAGES: u64 = 1000;

/// Where a list is in an answer, and how an item is read: into a key that tells it from the others, if there is one, and
/// the item.
pub(super) struct ListShape<F> {
    pub outer: &'static str,
    pub inner: &'static str,
    pub read: F,
}

struct Gathered<T> {
    items: Vec<T>,
    seen: HashSet<String>,
    total: Option<u64>,
    sound: bool,
}

impl<T> Gathered<T> {
    fn new() -> Self {
        Self { items: Vec::new(), seen: HashSet::new(), total: None, sound: true }
    }

    /// Adds a page; returns how many items it held.
    fn page<F: Fn(&Value<'_>) -> Option<(Option<String>, T)>>(
        &mut self,
        answer: &Value<'_>,
        list: &ListShape<F>,
    ) -> u64 {
        let items = wire::list(answer, list.outer, list.inner);
        for item in items {
            match (list.read)(item) {
                Some((None, item)) => self.items.push(item),
                Some((Some(key), item)) if !self.seen.contains(&key) => {
                    self.seen.insert(key);
                    self.items.push(item);
                }
                // Not readable, or seen before because the list changed while it was read.
                _ => self.sound = false,
            }
        }
        if let Some(total) = wire::count(answer, "TotalCount") {
            self.sound &= self.total.is_none_or(|before| before == total);
            self.total = Some(total);
        }
        items.len() as u64
    }

    fn listing(self) -> Listing<T> {
        let counted = match self.total {
            Some(total) => total == self.items.len() as u64,
            None => !self.items.is_empty(),
        };
        Listing { complete: self.sound && counted, items: self.items }
    }
}

impl AccountClient {
    /// Reads every page by `NextToken`. At a token that came before, reading ends and the list is incomplete: following it
    /// would never end.
    pub(in crate::cloud) async fn by_token<T, F>(
        &self,
        request: &RpcRequest,
        list: ListShape<F>,
    ) -> Result<Answer<Listing<T>>, CloudError>
    where
        T: Send,
        F: Fn(&Value<'_>) -> Option<(Option<String>, T)> + Send + Sync,
    {
        let mut gathered = Gathered::new();
        let mut tokens = HashSet::new();
        let mut calls = 0;
        let mut next: Option<String> = None;
        loop {
            let mut page = request.clone().query("MaxResults", MAX_RESULTS);
            if let Some(token) = &next {
                page = page.query("NextToken", token);
            }
            let reply = self.call(&page).await?;
            calls += 1;
            gathered.page(&reply.body, &list);
            next = wire::next_token(&reply.body);
            let more = next.as_ref().is_some_and(|token| tokens.insert(token.clone()));
            if !more || tokens.len() as u64 >= MAX_PAGES {
                gathered.sound &= next.is_none();
                let (request_id, date) = (reply.request_id, reply.date);
                return Ok(Answer { value: gathered.listing(), request_id, date, calls });
            }
        }
    }

    /// Reads every page by `PageNumber`, until the count is reached, or without a count until a page is not full.
    pub(in crate::cloud) async fn by_number<T, F>(
        &self,
        request: &RpcRequest,
        list: ListShape<F>,
    ) -> Result<Answer<Listing<T>>, CloudError>
    where
        T: Send,
        F: Fn(&Value<'_>) -> Option<(Option<String>, T)> + Send + Sync,
    {
        let mut gathered = Gathered::new();
        let mut read = 0;
        let mut number: u32 = 1;
        loop {
            let page = request.clone().query("PageNumber", number).query("PageSize", PAGE_SIZE);
            let reply = self.call(&page).await?;
            let held = gathered.page(&reply.body, &list);
            read += held;
            // The cloud may give smaller pages than were asked for, and says so.
            let size = wire::count(&reply.body, "PageSize").filter(|size| *size > 0).unwrap_or(PAGE_SIZE);
            let end = held == 0 || gathered.total.map_or(held < size, |total| read >= total);
            if end || u64::from(number) >= MAX_PAGES {
                gathered.sound &= end;
                let (request_id, date) = (reply.request_id, reply.date);
                return Ok(Answer { value: gathered.listing(), request_id, date, calls: number });
            }
            number += 1;
        }
    }
}
