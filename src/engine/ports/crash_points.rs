//! CrashPoints as a port: the places at which the engine can be cut, and the chance to make every write twice. Production
//! has none; one generic test drives every workflow through all of them.

/// Where the engine can be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CrashPoint {
    /// The intent is committed, the call is not made.
    BeforeWrite,
    /// The lease was checked for the last time, the first byte is not sent.
    BeforeSend,
    /// The call is made, the answer is not committed.
    AfterWrite,
    /// Something is committed and nothing of what follows is done.
    AfterCommit,
}

/// Decides where to cut.
pub trait CrashPoints: Send + Sync + 'static {
    /// Whether the engine dies here.
    fn cut(&self, _at: CrashPoint) -> bool {
        false
    }

    /// Whether the write is made twice.
    fn twice(&self) -> bool {
        false
    }
}

/// None.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCrashes;

impl CrashPoints for NoCrashes {}
