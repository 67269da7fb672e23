//! The words of the error table: what the worker does about an error, whether the call may have taken effect, and what a
//! refusal finds wrong with the job.

use crate::domain::words;

words! {
    /// What the worker does about an error.
    pub enum Class {
        /// Wait for as long as the server says, and call less often from now on.
        Throttled = "throttled",
        /// Try again soon.
        Transient = "transient",
        /// Try again, more slowly and for longer: the resource has to change its state first.
        State = "state",
        /// Renew the credential, then try again; refused once more, the jobs of the account are held.
        Auth = "auth",
        /// Hold the jobs of the account: its credential is refused for good, and only an operator can repair it.
        Credential = "credential",
        /// No job is to blame, so none ends over it. A read is held for the account, with one alert, and tried again later: either
        /// the worker's own request was malformed, or the account's policy lacks a permission which the worker did not need
        /// before. A job whose first write is refused parks, until an operator has given the account the permission.
        Held = "held",
        /// The account lacks something that every such job needs: a service, a role, a paid bill. No job is to blame, so one that
        /// has written nothing parks until an operator has given it to the account.
        Account = "account",
        /// Confirm by a read that the wanted state is there already.
        Done = "done",
        /// Do not try again: no attempt will ever succeed.
        Permanent = "permanent",
        /// Look again before it is believed, then take it as permanent: the table has no entry for it.
        Unknown = "unknown",
    }
}

words! {
    /// Whether a call that gave an error may have taken effect nevertheless.
    pub enum Effect {
        /// It had no effect.
        None = "none",
        /// It may have had one; the state is read before the call is repeated.
        Unknown = "unknown",
    }
}

words! {
    /// What the refusal of a call says is wrong with the job itself: `finding` in the error table.
    pub enum Finding {
        /// The id, owner, region or type of its instance.
        Instance = "instance",
    }
}
