//! Why a job ended as it did, or waits for an operator: a closed list, so that programs can branch on it.

use super::words::words;

/// Version of the list below; every event carries it. Raised when a reason is added or changes its meaning. An
/// older program cannot read a record with a reason that it does not know, so a reason is added together with a migration of the
/// stores, which that program refuses; a test of `src/store/judge.rs` sees to it.
pub const REASONS_VERSION: u32 = 7;

words! {
    /// A reason of the closed list.
    pub enum Reason {
        /// The change was made, and the cloud was read back and shows it.
        Done = "done",
        /// The cloud showed the wanted state before anything was written.
        AlreadySatisfied = "already-satisfied",
        /// A revoke of a grant that is not there; the event lists the CENs the instance is granted to.
        AlreadyAbsent = "already-absent",
        /// A plan: nothing was written.
        Planned = "planned",
        /// Nothing was written by the `not_after` of the job.
        Expired = "expired",
        /// The instance is still attached and the job does not allow deleting attachments.
        Attached = "attached",
        /// Granted already, with another payer: that is a payer change.
        PayerDiffers = "payer-differs",
        /// There is no grant whose payer could be changed.
        NotGranted = "not-granted",
        /// The payer of this type of instance cannot be changed.
        PayerNotChangeable = "payer-not-changeable",
        /// The grant disappeared while the job waited for the hour.
        GrantGone = "grant-gone",
        /// Somebody else changed what this job had set.
        Overridden = "overridden",
        /// Nothing is attached (any more), and the payer that is written on the grant did not take effect at the hour.
        Detached = "detached",
        /// The policy does not let this requester ask for this.
        RefusedByPolicy = "refused-by-policy",
        /// A check before the first write found something in the way.
        PreflightFailed = "preflight-failed",
        /// The cloud refused the call, and repeating it would not help.
        RefusedByCloud = "refused-by-cloud",
        /// The credential of an account was refused for good; nothing goes on before an operator has repaired it.
        CredentialRefused = "credential-refused",
        /// The cloud refuses what the job begins with for something that its account lacks: a service, a role, a paid bill.
        AccountNotReady = "account-not-ready",
        /// A newer job on the same grant took over.
        SupersededByNewer = "superseded-by-newer",
        /// Cancelled by a person.
        CancelledByOperator = "cancelled-by-operator",
        /// Another job of its batch ended without its result, and the batch stops then.
        BatchStopped = "batch-stopped",
        /// A limit per hour was reached: it is begun only when a person approves it.
        NeedsApproval = "needs-approval",
        /// It would write, but the store was put back from a backup, and no command has let it go on since.
        Restored = "restored",
        /// Tried for as long as its policy allows; state is kept and `resume` goes on from there.
        GaveUp = "gave-up",
        /// The write was taken and does not show, or a half-done change cannot go on or back by itself.
        HalfDone = "half-done",
        /// The pinned definition calls something this program does not have.
        UnknownCall = "unknown-call",
        /// The message is not a valid job.
        Invalid = "invalid",
        /// The id was used before, for another request.
        IdReused = "id-reused",
        /// The broker gave the message up before a worker had accepted it.
        DeadLettered = "dead-lettered",
        /// The requester has as many jobs on the instance that have not begun as it may.
        TooMany = "too-many",
    }
}
