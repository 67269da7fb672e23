//! What goes wrong, and for how long.

use crossgrant::simulator::{FaultKind, InjectedFault};

/// One sort of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    Throttle,
    ThrottleWithDelay,
    Http500,
    Http503,
    Conflict,
    ResetBefore,
    ResetAfter,
    /// The answer comes late, and in time.
    Slow,
    /// The answer comes when the client has given up.
    TooSlow,
    Xml,
    Html,
    ExpiredToken,
    /// A 200 with nothing but a RequestId: to a read an empty list, to a write an assent that nothing follows from.
    Empty,
    Stale,
}

/// How long it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Length {
    /// One call: the n-th of its operation.
    Once(u32),
    /// The first two calls.
    Twice,
    /// Every call of the first ten minutes.
    TenMinutes,
    /// Every call, until the job gives up.
    ForGood,
    /// Every call from when both writes of a payer change are made and it waits for its hour.
    WhileWaiting,
}

/// The delay that [`Column::ThrottleWithDelay`] asks for: longer than any pause a retry policy makes by itself.
pub const DELAY_SECONDS: u64 = 119;

impl Column {
    pub const ALL: [Self; 14] = [
        Self::Throttle,
        Self::ThrottleWithDelay,
        Self::Http500,
        Self::Http503,
        Self::Conflict,
        Self::ResetBefore,
        Self::ResetAfter,
        Self::Slow,
        Self::TooSlow,
        Self::Xml,
        Self::Html,
        Self::ExpiredToken,
        Self::Empty,
        Self::Stale,
    ];

    /// As in the table of the documentation.
    pub fn word(self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::ThrottleWithDelay => "throttle with delay",
            Self::Http500 => "500",
            Self::Http503 => "503",
            Self::Conflict => "conflict",
            Self::ResetBefore => "reset before effect",
            Self::ResetAfter => "reset after effect",
            Self::Slow => "slow body",
            Self::TooSlow => "slow body, too slow",
            Self::Xml => "XML error",
            Self::Html => "HTML error",
            Self::ExpiredToken => "expired token",
            Self::Empty => "empty list",
            Self::Stale => "stale read",
        }
    }

    pub fn fault(self, operation: &str, length: Length) -> InjectedFault {
        let error = |code: &str| FaultKind::Error { http: 400, code: code.into(), message: String::new() };
        let kind = match self {
            Self::Throttle => FaultKind::Throttle { retry_after_ms: None },
            Self::ThrottleWithDelay => FaultKind::Throttle { retry_after_ms: Some(DELAY_SECONDS * 1_000) },
            Self::Http500 => FaultKind::Http { status: 500 },
            Self::Http503 => FaultKind::Http { status: 503 },
            Self::Conflict => FaultKind::Conflict,
            Self::ResetBefore => FaultKind::DropBefore,
            Self::ResetAfter => FaultKind::DropAfter,
            Self::Slow => FaultKind::Slow { ms: 4_000 },
            Self::TooSlow => FaultKind::Slow { ms: 60_000 },
            // A client that cannot read XML knows no code, and takes a 400 without one for a refusal.
            Self::Xml => FaultKind::XmlError { http: 400, code: "Throttling.User".into() },
            Self::Html => FaultKind::HtmlError,
            Self::ExpiredToken => error("InvalidSecurityToken.Expired"),
            Self::Empty => FaultKind::Empty,
            Self::Stale => FaultKind::Stale,
        };
        let fault = InjectedFault::new(operation, kind);
        match length {
            Length::Once(nth) => fault.after(nth),
            Length::Twice => fault.times(2),
            Length::TenMinutes | Length::ForGood | Length::WhileWaiting => fault.times(u32::MAX),
        }
    }

    /// Whether the call takes effect, or a read is answered, all the same: there is nothing to repeat.
    pub fn is_carried_out(self) -> bool {
        matches!(self, Self::ResetAfter | Self::Slow | Self::TooSlow | Self::Stale)
    }

    /// Whether the answer itself says that the call had no effect.
    pub fn is_turned_away(self) -> bool {
        matches!(self, Self::Throttle | Self::ThrottleWithDelay | Self::Conflict | Self::Xml | Self::ExpiredToken)
    }

    /// Whether the fault means nothing to an operation: only a read of grants or attachments can show the past, and the
    /// simulated cloud answers anything else as it is.
    pub fn is_meaningless(self, operation: &str) -> bool {
        let reads_what_changes = ["Describe", "List"].iter().any(|verb| operation.starts_with(verb))
            && !["DescribeCens", "ListTransitRouters"].contains(&operation);
        self == Self::Stale && !reads_what_changes
    }
}
