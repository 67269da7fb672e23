//! The two sites of the vendor.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where an account is registered. A grant works only between accounts of one site (API §F).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Site {
    /// aliyun.com
    #[default]
    China,
    /// alibabacloud.com
    International,
}

impl Site {
    /// The word used in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::China => "china",
            Self::International => "international",
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
