//! The codes of what an operator can meet besides the reasons of events and the cloud's own codes: a closed list, so that
//! scripts can branch on it and `explain` has a page for each (`docs/codes.md`).
//!
//! A code stands for what is to be done about a thing, not for the place in the source that found it.

use super::words::words;

macro_rules! codes {
    ($($part:literal: { $($name:ident = $text:literal,)+ })+) => {
        words! {
            /// A code, as messages and `--json` show it.
            #[expect(missing_docs, reason = "each has a page in docs/codes.md, and a test sees to that")]
            pub enum Code {
                $($($name = $text,)+)+
            }
        }

        impl Code {
            /// The part of the pages it is explained in.
            pub fn part(self) -> &'static str {
                match self { $($(Self::$name)|+ => $part,)+ }
            }
        }
    };
}

codes! {
    "Messages": {
        JobTooLarge = "job-too-large",
        JobNotJson = "job-not-json",
        JobUnknownField = "job-unknown-field",
        JobMissingField = "job-missing-field",
        JobWrongType = "job-wrong-type",
        JobUnknownWord = "job-unknown-word",
        JobBadValue = "job-bad-value",
        JobTypeMismatch = "job-type-mismatch",
        JobPayerMissing = "job-payer-missing",
        JobNoPayer = "job-no-payer",
        JobNeverBegins = "job-never-begins",
        JobBadLabel = "job-bad-label",
        JobBadReplyTo = "job-bad-reply-to",
        JobReplyToNotAllowed = "job-reply-to-not-allowed",
        JobNotAllowed = "job-not-allowed",
        JobRoutingKey = "job-routing-key",
        JobBadUser = "job-bad-user",
        JobBadSignature = "job-bad-signature",
        JobNoDoor = "job-no-door",
        JobIdReused = "job-id-reused",
        JobUnreadable = "job-unreadable",
        JobNotStorable = "job-not-storable",
        JobDeadLettered = "job-dead-lettered",
        JobTooMany = "job-too-many",
        JobBatchDiffers = "job-batch-differs",
        JobBatchFull = "job-batch-full",
        JobBatchClosed = "job-batch-closed",
    }
    "Configuration": {
        ConfigUnusable = "config-unusable",
        ConfigUnreadable = "config-unreadable",
        ConfigSyntax = "config-syntax",
        ConfigUnknownKey = "config-unknown-key",
        ConfigBadValue = "config-bad-value",
        ConfigContradiction = "config-contradiction",
        ConfigPlainHttp = "config-plain-http",
        ConfigForeignFile = "config-foreign-file",
        ConfigHour = "config-hour",
        ConfigCredential = "config-credential",
        ConfigNoAccount = "config-no-account",
        ConfigNoRule = "config-no-rule",
        ConfigNoRequester = "config-no-requester",
        ConfigUnknownVariable = "config-unknown-variable",
        ConfigOpenSecret = "config-open-secret",
        ConfigPlainDatabase = "config-plain-database",
    }
    "Workflow files": {
        WorkflowUnusable = "workflow-unusable",
        WorkflowSyntax = "workflow-syntax",
        WorkflowUnknownKey = "workflow-unknown-key",
        WorkflowMissingKey = "workflow-missing-key",
        WorkflowBadValue = "workflow-bad-value",
        WorkflowUnknownName = "workflow-unknown-name",
        WorkflowBadName = "workflow-bad-name",
        WorkflowContradiction = "workflow-contradiction",
        WorkflowMissingOutcome = "workflow-missing-outcome",
        WorkflowLeadsBack = "workflow-leads-back",
        WorkflowUnreachable = "workflow-unreachable",
        WorkflowIncomplete = "workflow-incomplete",
    }
    "Broker": {
        BrokerBadUrl = "broker-bad-url",
        BrokerUnreachable = "broker-unreachable",
        BrokerLogin = "broker-login",
        BrokerVhost = "broker-vhost",
        BrokerLimit = "broker-limit",
        BrokerTopology = "broker-topology",
        BrokerTimeout = "broker-timeout",
        BrokerCallFailed = "broker-call-failed",
        BrokerSessionEnded = "broker-session-ended",
        BrokerHeld = "broker-held",
        BrokerTooLong = "broker-too-long",
        BrokerNoQueue = "broker-no-queue",
        BrokerRefused = "broker-refused",
        BrokerNoRight = "broker-no-right",
    }
    "Store": {
        StoreLogin = "store-login",
        StoreMissing = "store-missing",
        StoreNotAFile = "store-not-a-file",
        StoreNewer = "store-newer",
        WorkerNameTaken = "worker-name-taken",
    }
    "Command line": {
        CommandLine = "command-line",
        BadInput = "bad-input",
        NotDone = "not-done",
        Unreachable = "unreachable",
        FileUnreadable = "file-unreadable",
        FileExists = "file-exists",
        NotJson = "not-json",
        NoJob = "no-job",
        UnknownWord = "unknown-word",
        BadWorld = "bad-world",
        BadTerraformState = "bad-terraform-state",
        CannotListen = "cannot-listen",
        TokenNotMade = "token-not-made",
        BadAdminUrl = "bad-admin-url",
        NotAWorker = "not-a-worker",
        WaitedEnough = "waited-enough",
        Interrupted = "interrupted",
        LoopEnded = "loop-ended",
        OutputFailed = "output-failed",
    }
    "Findings": {
        WorkerNotReady = "worker-not-ready",
        CredentialUnusable = "credential-unusable",
        CredentialOutdated = "credential-outdated",
        AccountRefused = "account-refused",
        CloudUnreachable = "cloud-unreachable",
        ClockSkew = "clock-skew",
        ServiceNotActivated = "service-not-activated",
        PermissionMissing = "permission-missing",
        PermissionUnknown = "permission-unknown",
        ReadFailed = "read-failed",
        MessagesDeadLettered = "messages-dead-lettered",
        EventsUnrouted = "events-unrouted",
        WebhookHost = "webhook-host",
        BindingUnknown = "binding-unknown",
        DatabaseOpen = "database-open",
        CloudDiffers = "cloud-differs",
    }
    "Admin HTTP": {
        Unauthorized = "unauthorized",
        Forbidden = "forbidden",
        CommandsOff = "commands-off",
        ForeignHost = "foreign-host",
        ForeignOrigin = "foreign-origin",
        DoorClosed = "door-closed",
        NotAllowed = "not-allowed",
        JobRefused = "job-refused",
        Busy = "busy",
        NoBroker = "no-broker",
        NotConfirmed = "not-confirmed",
        TimedOut = "timed-out",
        BadRequest = "bad-request",
        Ambiguous = "ambiguous",
        NotFound = "not-found",
        BadMethod = "bad-method",
        Declined = "declined",
        SamePerson = "same-person",
        Conflict = "conflict",
        StoreUnavailable = "store-unavailable",
        StoreRefused = "store-refused",
        StoreCorrupt = "store-corrupt",
        StoreLost = "store-lost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_kebab_case_and_stands_for_one_thing() {
        for code in Code::ALL {
            let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
            assert!(code.as_str().split('-').all(word), "{code}");
            assert_eq!(Code::parse(code.as_str()), Some(code), "{code} is there once");
        }
    }
}
