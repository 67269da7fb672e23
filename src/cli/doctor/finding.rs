//! What one check found, and what to do about it.

use serde::Serialize;
use serde_json::json;

use crate::cli::exit::CliError;
use crate::cli::{input, output};
use crate::domain::contract::Fault;
use crate::domain::{Code, Job};

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct DoctorFinding {
    /// The name of the check.
    pub check: &'static str,
    /// Whether all is well; `None` when the check cannot tell.
    pub ok: Option<bool>,
    /// The code under which `crossgrant explain` has more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    pub says: String,
    /// How to fix it.
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// A check that passed.
pub(super) fn fine(check: &'static str, says: impl Into<String>) -> DoctorFinding {
    DoctorFinding { check, ok: Some(true), code: None, says: says.into(), advice: None }
}

/// A fault that keeps a worker from working.
pub(super) fn fault(check: &'static str, code: Code, says: impl ToString, advice: impl Into<String>) -> DoctorFinding {
    DoctorFinding { check, ok: Some(false), code: Some(code), says: says.to_string(), advice: Some(advice.into()) }
}

/// A check that cannot tell.
pub(super) fn unclear(
    check: &'static str,
    code: Code,
    says: impl ToString,
    advice: impl Into<String>,
) -> DoctorFinding {
    DoctorFinding { ok: None, ..fault(check, code, says, advice) }
}

/// A check that failed with an error.
pub(super) fn failed(check: &'static str, error: CliError, advice: impl Into<String>) -> DoctorFinding {
    fault(check, error.code, error.message, advice)
}

/// Parses a job; its faults are findings.
pub(super) fn parsed(body: &[u8]) -> Result<Job, Vec<DoctorFinding>> {
    let faulty = |f: &Fault| fault("job", f.code, f, "correct the job");
    input::parse(body).map_err(|faults| faults.iter().map(faulty).collect())
}

/// Prints a finding to standard output.
pub(super) fn print(finding: &DoctorFinding, json: bool) -> Result<(), CliError> {
    let lines = if json { vec![json!(finding).to_string()] } else { finding.lines() };
    lines.iter().try_for_each(|line| output::line(line))
}

impl DoctorFinding {
    /// Whether it keeps a worker from working.
    pub fn is_fault(&self) -> bool {
        self.ok == Some(false)
    }

    /// The text for people. Further lines of a message are indented.
    pub fn lines(&self) -> Vec<String> {
        let mark = match self.ok {
            Some(true) => "ok   ",
            Some(false) => "FAULT",
            None => "?    ",
        };
        let code = self.code.map(|code| format!(" [{code}]")).unwrap_or_default();
        let mut says = self.says.lines();
        let first = says.next().unwrap_or_default();
        let mut lines = vec![format!("{mark}  {:<13}  {first}{code}", self.check)];
        lines.extend(says.map(|line| format!("{:22}{line}", "")));
        lines.extend(self.advice.as_ref().map(|advice| format!("{:22}do: {advice}", "")));
        lines
    }
}
