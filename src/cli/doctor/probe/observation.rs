//! What the live cloud shows of one point, beside what this program takes for true.

use serde_json::{Value, json};

use super::points::Point;
use super::read::Read;
use crate::domain::{AccountUid, Code, Operation};

/// How many request ids a line for people has.
const IDS: usize = 3;

/// Whether the cloud is as it was taken to be; each with what it shows, or why that cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Agrees(String),
    Differs(String),
    CannotTell(String),
}

impl Verdict {
    fn word(&self) -> &'static str {
        match self {
            Self::Agrees(_) => "agrees",
            Self::Differs(_) => "differs",
            Self::CannotTell(_) => "cannot-be-told",
        }
    }

    fn says(&self) -> &str {
        let (Self::Agrees(says) | Self::Differs(says) | Self::CannotTell(says)) = self;
        says
    }
}

/// A point, as one job's accounts are shown it.
#[derive(Debug, Clone)]
pub(super) struct Observation {
    pub point: &'static Point,
    pub verdict: Verdict,
    asked: Option<(AccountUid, Operation)>,
    request_ids: Vec<String>,
}

impl Observation {
    /// By these reads; the first of them names the operation and the account.
    pub fn of(point: &'static Point, reads: &[&Read], verdict: Verdict) -> Self {
        Self {
            point,
            verdict,
            asked: reads.first().map(|read| (read.account.clone(), read.operation)),
            request_ids: reads.iter().flat_map(|read| read.request_ids.iter().cloned()).collect(),
        }
    }

    /// Whether the cloud is not as it was taken to be.
    pub fn differs(&self) -> bool {
        matches!(self.verdict, Verdict::Differs(_))
    }

    /// Beside the doctor's other findings, in the same form, with what only a probe has.
    pub fn json(&self, job: &str) -> Value {
        let ok = match self.verdict {
            Verdict::Agrees(_) => Some(true),
            Verdict::Differs(_) => Some(false),
            Verdict::CannotTell(_) => None,
        };
        let (account, operation) =
            self.asked.as_ref().map(|(account, operation)| (account.as_str(), *operation)).unzip();
        let mut json = json!({
            "check": "probe",
            "ok": ok,
            "job": job,
            "point": self.point.name,
            "key": self.point.key,
            "inferred": self.point.inferred,
            "verdict": self.verdict.word(),
            "shows": self.verdict.says(),
            "account": account,
            "operation": operation,
            "request_ids": self.request_ids,
        });
        if self.differs() {
            json["code"] = json!(Code::CloudDiffers);
        }
        json
    }

    /// For people.
    pub fn lines(&self) -> Vec<String> {
        let (mark, code) = match self.verdict {
            Verdict::Agrees(_) => ("agrees ", String::new()),
            Verdict::Differs(_) => ("DIFFERS", format!(" [{}]", Code::CloudDiffers)),
            Verdict::CannotTell(_) => ("?      ", String::new()),
        };
        let Point { name, key, inferred } = self.point;
        let mut lines = vec![
            format!("{mark}  {name} ({key}): {inferred}"),
            format!("{:9}shown: {}{code}", "", self.verdict.says()),
        ];
        if let Some((account, operation)) = &self.asked {
            let more = self.request_ids.len().saturating_sub(IDS);
            let mut ids = self.request_ids.iter().take(IDS).cloned().collect::<Vec<_>>().join(", ");
            if more > 0 {
                ids.push_str(&format!(" and {more} more"));
            }
            let ids = if ids.is_empty() { "no RequestId".to_owned() } else { format!("RequestId {ids}") };
            lines.push(format!("{:9}asked: {operation} as account {account}, {ids}", ""));
        }
        lines
    }
}
