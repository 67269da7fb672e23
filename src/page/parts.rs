//! What every view works with.

use std::sync::Arc;

use axum::Router;
use tokio::sync::Semaphore;

use crate::admin::{Admin, AdminParts};

/// How many browsers are told of changes at a time. Each holds one of the 64 connections of the admin API, and half of these are
/// left for requests.
const MOST_LIVE: usize = 32;

/// What every view works with.
#[derive(Clone)]
pub(super) struct Page(Arc<PageState>);

struct PageState {
    admin: Admin,
    api: Router,
    https: bool,
    live: Arc<Semaphore>,
}

impl Page {
    /// `https` tells whether browsers come by it, through a proxy.
    pub fn new(admin: Admin, https: bool) -> Self {
        let api = admin.clone().router();
        Self(Arc::new(PageState { admin, api, https, live: Arc::new(Semaphore::new(MOST_LIVE)) }))
    }

    /// What the admin API stands on.
    pub fn parts(&self) -> &AdminParts {
        self.0.admin.parts()
    }

    /// The admin API, as it is asked inside this process.
    pub fn api(&self) -> Router {
        self.0.api.clone()
    }

    pub fn https(&self) -> bool {
        self.0.https
    }

    /// The places of browsers that are told of changes.
    pub fn live(&self) -> &Arc<Semaphore> {
        &self.0.live
    }
}
