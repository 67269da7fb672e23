//! The door, open: what publishes, and how much comes in at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::ApiError;
use crate::engine::ports::door::DoorPublisher;

/// How many requests are on their way at a time. Each is a connection for some seconds, of which there are 64.
const MOST: usize = 16;
/// How many of them are of one token, so that it leaves room for others.
const MOST_OF_ONE: usize = 8;

/// The door of a worker.
pub(super) struct OpenDoor {
    pub publisher: Arc<dyn DoorPublisher>,
    /// How many requests are on their way, by token.
    inside: Mutex<BTreeMap<String, usize>>,
}

impl OpenDoor {
    pub fn new(publisher: Arc<dyn DoorPublisher>) -> Self {
        Self { publisher, inside: Mutex::default() }
    }

    fn inside(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a request of this token in, until the place is dropped.
    pub fn enter(&self, token: &str) -> Result<Place<'_>, ApiError> {
        let mut inside = self.inside();
        if inside.values().sum::<usize>() >= MOST {
            return Err(ApiError::Busy("too many jobs are being submitted"));
        }
        let own = inside.entry(token.to_owned()).or_default();
        if *own >= MOST_OF_ONE {
            return Err(ApiError::Busy("too many jobs are being submitted with this token"));
        }
        *own += 1;
        Ok(Place { door: self, token: token.to_owned() })
    }
}

/// The place of a request.
pub(super) struct Place<'a> {
    door: &'a OpenDoor,
    token: String,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut inside = self.door.inside();
        if let Some(own) = inside.get_mut(&self.token) {
            *own -= 1;
        }
        inside.retain(|_, own| *own > 0);
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::engine::ports::door::{DoorMessage, NotPublished};

    struct Nowhere;

    #[async_trait]
    impl DoorPublisher for Nowhere {
        async fn publish(&self, _: &DoorMessage) -> Result<(), NotPublished> {
            Ok(())
        }

        fn routing_key(&self, _: &[u8]) -> String {
            String::new()
        }
    }

    #[test]
    fn a_token_leaves_room_for_others_and_all_have_a_bound() {
        let door = OpenDoor::new(Arc::new(Nowhere));
        let own: Vec<_> = (0..MOST_OF_ONE).map(|_| door.enter("bot").unwrap()).collect();
        assert!(matches!(door.enter("bot"), Err(ApiError::Busy(_))));
        let others: Vec<_> = (MOST_OF_ONE..MOST).map(|n| door.enter(&format!("bot-{n}")).unwrap()).collect();
        assert!(matches!(door.enter("ann"), Err(ApiError::Busy(_))));
        drop((own, others));
        assert!(door.enter("bot").is_ok() && door.inside().is_empty());
    }
}
