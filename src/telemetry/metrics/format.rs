//! In which text a scrape is answered.

use std::fmt::Write as _;

/// A text format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The older text of Prometheus, which other tools read too.
    Plain,
}

impl Format {
    /// The one to answer with: OpenMetrics to those who ask for it, as Prometheus does.
    pub fn accepted(accept: Option<&str>) -> Self {
        let asked = accept.is_some_and(|accept| accept.contains("application/openmetrics-text"));
        if asked { Self::OpenMetrics } else { Self::Plain }
    }

    /// Its content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// A text of OpenMetrics in this format.
    pub(super) fn write(self, openmetrics: String) -> String {
        match self {
            Self::OpenMetrics => openmetrics,
            Self::Plain => plain(&openmetrics),
        }
    }
}

/// In the older text a counter is described under the name of its sample, with `_total`; there are no units and no end.
fn plain(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    let mut help = "";
    for line in openmetrics.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            help = described;
        } else if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (name, kind) = typed.split_once(' ').unwrap_or((typed, "untyped"));
            let total = if kind == "counter" { "_total" } else { "" };
            let help = help.split_once(' ').map_or("", |(_, help)| help);
            // Writing to a String cannot fail.
            let _ = write!(text, "# HELP {name}{total} {help}\n# TYPE {name}{total} {kind}\n");
        } else if !line.starts_with('#') {
            text.push_str(without_exemplar(line));
            text.push('\n');
        }
    }
    text
}

/// A sample without its exemplar: the traces that the worker names are hexadecimal, so the last ` # {` begins it.
fn without_exemplar(line: &str) -> &str {
    line.rfind(" # {trace_id=").map_or(line, |at| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_gets_openmetrics_and_everybody_else_the_older_text() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        assert_eq!(Format::accepted(Some(prometheus)), Format::OpenMetrics);
        for other in [None, Some("*/*"), Some("text/plain")] {
            assert_eq!(Format::accepted(other), Format::Plain, "{other:?}");
        }
    }

    #[test]
    fn in_the_older_text_a_counter_has_the_name_of_its_sample() {
        let openmetrics = "\
# HELP a_events Events, by type.
# TYPE a_events counter
a_events_total{type=\"# x\"} 1
# HELP a_took_seconds Time.
# TYPE a_took_seconds gauge
# UNIT a_took_seconds seconds
a_took_seconds 1.5
# EOF
";
        let plain = "\
# HELP a_events_total Events, by type.
# TYPE a_events_total counter
a_events_total{type=\"# x\"} 1
# HELP a_took_seconds Time.
# TYPE a_took_seconds gauge
a_took_seconds 1.5
";
        assert_eq!(Format::Plain.write(openmetrics.into()), plain);
        assert_eq!(Format::OpenMetrics.write(openmetrics.into()), openmetrics);
    }
}
