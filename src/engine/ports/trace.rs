//! Spans, as the engine and the client of the cloud tell of them, and the span that the running task works in.
//!
//! Each is told of once it has ended. None stays open over a commit, so none is lost with a process that ends before it could say how
//! it went on.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::domain::{JobTrace, Sampling, TraceContext};

tokio::task_local! {
    static CURRENT: Option<TraceContext>;
}

/// Whose side of a message or call it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// A message that came.
    Consumer,
    /// A message that goes out.
    Producer,
    /// A call of another service.
    Client,
    /// Work in this process.
    Internal,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpanValue {
    /// A text.
    Text(Cow<'static, str>),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

impl From<&'static str> for SpanValue {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for SpanValue {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<u32> for SpanValue {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<bool> for SpanValue {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// Something that was done. It holds no body, no signature and no message of an error, which can hold anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its ids.
    pub context: TraceContext,
    /// The span that it is part of.
    pub parent: Option<TraceContext>,
    /// Whether that is the span of another program.
    pub remote: bool,
    /// What was done, in words of which there are few.
    pub name: Cow<'static, str>,
    /// Whose side it shows.
    pub kind: SpanKind,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// What is known of it.
    pub attributes: Vec<(&'static str, SpanValue)>,
    /// Spans that it is no part of and that belong to its story.
    pub links: Vec<TraceContext>,
    /// Why it failed: a word or code, in `error.type`.
    pub error: Option<Cow<'static, str>>,
}

impl Span {
    /// One in this process, without attributes, that took no time.
    pub fn new(context: TraceContext, parent: Option<TraceContext>, name: &'static str, at: Timestamp) -> Self {
        Self {
            context,
            parent,
            remote: false,
            name: name.into(),
            kind: SpanKind::Internal,
            began: at,
            ended: at,
            attributes: vec![],
            links: vec![],
            error: None,
        }
    }

    /// The first span of a job.
    pub fn accepted(JobTrace { accepted, parent }: JobTrace, at: Timestamp) -> Self {
        Self { remote: true, kind: SpanKind::Consumer, ..Self::new(accepted, parent, "process", at) }
    }

    /// The same with one attribute more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<SpanValue>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }
}

/// Is told of spans. By default there are no traces.
pub trait Tracer: Send + Sync + 'static {
    /// Which traces begin here; `None` if none are recorded.
    fn sampling(&self) -> Option<Sampling> {
        None
    }

    /// Takes a span of a trace that is recorded. Never waits and never fails.
    fn span(&self, _span: Span) {}
}

/// Records nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTracer;

impl Tracer for NoTracer {}

/// Runs `work` in this span. An `async fn` would hold `work` twice.
pub fn within<F: Future>(span: Option<TraceContext>, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(span, work)
}

/// Does something short in this span.
pub fn during<T>(span: Option<TraceContext>, work: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(span, work)
}

/// The span that the running task works in.
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(|span| *span).ok().flatten()
}
