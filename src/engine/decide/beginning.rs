//! What keeps a job from beginning: a paused account, an hourly limit.

use std::time::Duration;

use crate::clock::later;
use crate::domain::{Kind, Reason};
use crate::engine::decide::decision::{Deciding, Next};
use crate::engine::guards::{Pause, setting};
use crate::engine::record::{EmptySince, Phase, State, Turn};

impl Deciding<'_> {
    /// Rests until the account is unpaused, or the job may not be begun any more.
    pub(super) fn hold(&mut self, pause: &Pause) -> Next {
        if self.is_expired() {
            return self.expire();
        }
        self.record.empty_since = EmptySince::default();
        // It expires after that instant, not at it.
        let expires = self.record.job.not_after.map(|at| later(at, Duration::from_micros(1)));
        let turn = Turn::Held { account: pause.account.clone(), expires };
        let queued = self.record.state() == State::Queued;
        self.record.phase = if queued { Phase::Queued(turn) } else { Phase::Running(turn) };
        self.record.why = pause.to_string();
        Next::Rest
    }

    /// As many as may have begun within the last hour. Nothing was written, so the next one on the instance may pass.
    pub(super) fn over_limit(&mut self, begun: u64, most: u32) -> Next {
        let job = &self.record.job;
        let what = match job.kind {
            Kind::Revoke => format!("revokes in {}", job.cen.id),
            _ => format!("payer changes of instances of account {}", job.instance.owner),
        };
        let setting = setting(job.kind).unwrap_or_default();
        let message = format!(
            "{what} begun within the last hour: {begun}; `[limits] {setting}` allows {most}, so it needs approval"
        );
        self.park(Reason::NeedsApproval, message)
    }
}
