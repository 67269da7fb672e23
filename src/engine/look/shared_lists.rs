//! Lists that several jobs want at the same time, read once for all of them.

use std::future::ready;
use std::hash::Hash;
use std::sync::Arc;

use crate::engine::look::batch::Batches;
use crate::engine::ports::cloud::{Answer, CloudError, Failure, Listing};

/// A list, and how many of its calls are counted for this caller.
pub type SharedList<T> = Result<(u32, Arc<Answer<Listing<T>>>), CloudError>;

/// Lists of `T`, each with a key that says what is listed.
pub struct SharedLists<K, T>(Batches<K, (), SharedList<T>>);

impl<K, T> Default for SharedLists<K, T> {
    fn default() -> Self {
        Self(Batches::default())
    }
}

impl<K: Hash + Eq + Clone, T> SharedLists<K, T> {
    /// The list of `key`. One of the callers that ask for it at the same time makes `read` for all; its calls are counted for
    /// that one alone.
    pub async fn read(
        &self,
        key: K,
        read: impl Future<Output = Result<Answer<Listing<T>>, CloudError>>,
    ) -> SharedList<T> {
        let for_all = async |askers: Vec<()>| match read.await {
            Ok(all) => {
                let all = Arc::new(all);
                (Ok((all.calls, Arc::clone(&all))), vec![Some(Ok((0, all))); askers.len() - 1])
            }
            // Nothing was asked: there was no room in the budget, or no key. Each caller waits for those in its own time.
            Err(error @ CloudError { failure: Failure::NotSent { .. }, .. }) => {
                (Err(error), vec![None; askers.len() - 1])
            }
            Err(error) => (Err(error.clone()), vec![Some(Err(error)); askers.len() - 1]),
        };
        self.0.ask(key, (), ready(()), for_all).await
    }
}
