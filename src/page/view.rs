//! What is shown: a view, and what can follow a form instead of one.

use axum::response::Response;
use http::StatusCode;
use maud::Markup;

/// One view, without the frame around it.
pub(super) struct View {
    pub title: String,
    pub status: StatusCode,
    /// What is told of while it is open: everything, or this job; `None` for what does not change by itself.
    pub live: Option<Live>,
    pub content: Markup,
}

/// What a view is told of.
pub(super) enum Live {
    Everything,
    Job(String),
}

impl View {
    /// A view that stays as it is.
    pub fn of(title: impl Into<String>, content: Markup) -> Self {
        Self { title: title.into(), status: StatusCode::OK, live: None, content }
    }

    /// The same, told of these changes.
    pub fn live(self, live: Live) -> Self {
        Self { live: Some(live), ..self }
    }
}

/// What follows a form.
pub(super) enum Shown {
    View(View),
    /// Another address, which shows what came of it.
    See(String),
    Answer(Response),
}
