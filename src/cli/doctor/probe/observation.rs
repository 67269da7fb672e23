//! What the live cloud shows at one point, compared with what this program assumes.

use serde_json::{Value, json};

use super::points::CloudPoint;
use super::read::CompletedRead;
use crate::domain::{AccountUid, Code, Operation};

/// The most request ids in the text for people.
const IDS: usize = 3;

/// Whether the cloud is as assumed, each with what it shows, or with why that cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PointVerdict {
    Agrees(String),
    Differs(String),
    CannotTell(String),
}

impl PointVerdict {
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

/// A verdict, or in `Err` the one that ends the judgement early.
pub(super) type JudgedPoint = Result<PointVerdict, PointVerdict>;

/// A point, as the accounts of one job see it.
#[derive(Debug, Clone)]
pub(super) struct PointObservation {
    pub point: &'static CloudPoint,
    pub verdict: PointVerdict,
    asked: Option<(AccountUid, Operation)>,
    request_ids: Vec<String>,
}

impl PointObservation {
    /// An observation made by these reads. The first of them gives the operation and the account.
    pub fn of(point: &'static CloudPoint, reads: &[&CompletedRead], verdict: PointVerdict) -> Self {
        Self {
            point,
            verdict,
            asked: reads.first().map(|read| (read.account.clone(), read.operation)),
            request_ids: reads.iter().flat_map(|read| read.request_ids.iter().cloned()).collect(),
        }
    }

    /// Whether the cloud is not as assumed.
    pub fn differs(&self) -> bool {
        matches!(self.verdict, PointVerdict::Differs(_))
    }

    /// The form of the doctor's other findings, with some fields that only a probe has.
    pub fn json(&self, job: &str) -> Value {
        let ok = match self.verdict {
            PointVerdict::Agrees(_) => Some(true),
            PointVerdict::Differs(_) => Some(false),
            PointVerdict::CannotTell(_) => None,
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

    /// The text for people.
    pub fn lines(&self) -> Vec<String> {
        let (mark, code) = match self.verdict {
            PointVerdict::Agrees(_) => ("agrees ", String::new()),
            PointVerdict::Differs(_) => ("DIFFERS", format!(" [{}]", Code::CloudDiffers)),
            PointVerdict::CannotTell(_) => ("?      ", String::new()),
        };
        let CloudPoint { name, key, inferred } = self.point;
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
