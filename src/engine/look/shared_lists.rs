//! Lists that are the same for all who want them at the same time, read once for them.

use std::future::ready;
use std::hash::Hash;
use std::sync::Arc;

use crate::engine::look::batch::Together;
use crate::engine::ports::cloud::{Answer, CloudError, Failure, Listing};

/// A list, and how many of its calls are counted to who was told.
pub type Told<T> = Result<(u32, Arc<Answer<Listing<T>>>), CloudError>;

/// Lists of `T`, by what is listed.
pub struct SharedLists<K, T>(Together<K, (), Told<T>>);

impl<K, T> Default for SharedLists<K, T> {
    fn default() -> Self {
        Self(Together::default())
    }
}

impl<K: Hash + Eq + Clone, T> SharedLists<K, T> {
    /// The list of `key`, which `read` reads for all who ask for it meanwhile. Its calls are counted to one of them.
    pub async fn read(&self, key: K, read: impl Future<Output = Result<Answer<Listing<T>>, CloudError>>) -> Told<T> {
        let for_all = async |askers: Vec<()>| match read.await {
            Ok(all) => {
                let all = Arc::new(all);
                (Ok((all.calls, Arc::clone(&all))), vec![Some(Ok((0, all))); askers.len() - 1])
            }
            // Without room in the budget, or keys, nothing was asked. How long to wait for those is each caller's own.
            Err(error @ CloudError { failure: Failure::NotSent { .. }, .. }) => {
                (Err(error), vec![None; askers.len() - 1])
            }
            Err(error) => (Err(error.clone()), vec![Some(Err(error)); askers.len() - 1]),
        };
        self.0.ask(key, (), ready(()), for_all).await
    }
}
