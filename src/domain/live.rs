//! A value that is replaced as a whole while others use it.

use std::sync::{Arc, PoisonError, RwLock};

/// A value, as it is now. Who has got it keeps it as it was.
#[derive(Debug, Default)]
pub struct Live<T>(RwLock<Arc<T>>);

impl<T> From<T> for Live<T> {
    fn from(value: T) -> Self {
        Self(RwLock::new(Arc::new(value)))
    }
}

impl<T> Live<T> {
    /// The value as it is now.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces it.
    pub fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}
