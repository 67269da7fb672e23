//! Lines of the log on their way to standard error.

use std::io::{self, Write};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Map, Value};
use tracing_appender::non_blocking::NonBlocking;
use tracing_subscriber::fmt::MakeWriter;

use crate::domain::{TraceContext, visible};
use crate::engine::ports::trace;

/// The longest line, in bytes. The longest that this program has cause for are errors of servers, which the readers of
/// answers cut at a few KiB.
pub(super) const LINE_BYTES: usize = 16 << 10;

/// The longest text that stays whole in a JSON line that is too long.
const TEXT_BYTES: usize = 2 << 10;

/// Cuts a line before it waits to be written, so that what waits is bounded in bytes.
#[derive(Clone)]
pub(super) struct CutLines {
    pub to: NonBlocking,
    /// Lines are JSON, and stay so.
    pub json: bool,
}

impl<'a> MakeWriter<'a> for CutLines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for CutLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = line.len();
        let traced = self.json.then(trace::current).flatten().and_then(|span| with_trace(line, span));
        let line = traced.as_deref().unwrap_or(line);
        if line.len() <= LINE_BYTES {
            self.to.write_all(line)?;
        } else if self.json {
            self.to.write_all(&cut_json(line))?;
        } else {
            let mut cut = line[..LINE_BYTES - 16].to_vec();
            cut.extend_from_slice("… (cut)\n".as_bytes());
            self.to.write_all(&cut)?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A JSON line with the ids of the span that it belongs to.
fn with_trace(line: &[u8], span: TraceContext) -> Option<Vec<u8>> {
    let fields = line.strip_prefix(b"{")?;
    let ids = format!("{{\"trace_id\":\"{:032x}\",\"span_id\":\"{:016x}\",", span.trace, span.span);
    Some([ids.as_bytes(), fields].concat())
}

/// A JSON line that is too long, as a shorter one: with its long texts cut; and if it is still too long, only with the fields
/// that every line has. `log.cut` says so.
fn cut_json(line: &[u8]) -> Vec<u8> {
    let mut fields: Map<String, Value> = serde_json::from_slice(line).unwrap_or_default();
    for value in fields.values_mut() {
        if let Value::String(text) = value
            && text.len() > TEXT_BYTES
        {
            *value = format!("{}…", beginning(text, TEXT_BYTES)).into();
        }
    }
    fields.insert("log.cut".into(), true.into());
    let mut cut = serde_json::to_vec(&fields).unwrap_or_default();
    // Escapes can make a text six times as long.
    if cut.len() >= LINE_BYTES {
        fields.retain(|name, _| {
            ["timestamp", "level", "message", "target", "log.cut", "trace_id", "span_id"].contains(&name.as_str())
        });
        if let Some(Value::String(message)) = fields.get_mut("message") {
            *message = beginning(message, TEXT_BYTES / 2).to_owned();
        }
        cut = serde_json::to_vec(&fields).unwrap_or_default();
    }
    cut.push(b'\n');
    cut
}

/// The first characters of a text, in at most `most` bytes.
fn beginning(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    &text[..end]
}

/// Writes each line so that no character of it is obeyed by a terminal or begins another line. It never fails: lines that
/// cannot be written are counted.
pub(super) struct VisibleLines<W> {
    to: W,
    /// The log's own colours are in the line; what others wrote was escaped before.
    colours: bool,
    not_written: &'static AtomicU64,
}

impl<W> VisibleLines<W> {
    pub(super) fn new(to: W, colours: bool, not_written: &'static AtomicU64) -> Self {
        Self { to, colours, not_written }
    }
}

impl<W: Write> Write for VisibleLines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let shown = if self.colours {
            text.split('\u{1b}').map(visible).collect::<Vec<_>>().join("\u{1b}")
        } else {
            visible(text).into_owned()
        };
        if writeln!(self.to, "{shown}").is_err() {
            self.not_written.fetch_add(1, Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // What cannot be flushed was counted, or is counted with the next line.
        let _ = self.to.flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a line.
    fn written(line: &str, colours: bool) -> String {
        static NOT_WRITTEN: AtomicU64 = AtomicU64::new(0);
        let mut to = Vec::new();
        VisibleLines::new(&mut to, colours, &NOT_WRITTEN).write_all(line.as_bytes()).unwrap();
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn an_event_is_one_line_without_control_characters() {
        assert_eq!(
            written("a \u{9b}2J\u{202e}b\nINFO all is well\n", false),
            "a \\u009b2J\\u202eb\\u000aINFO all is well\n"
        );
        assert_eq!(written("\u{1b}[2mdim\u{1b}[0m \u{202e}x\n", true), "\u{1b}[2mdim\u{1b}[0m \\u202ex\n");
        assert_eq!(written("\u{1b}[2mdim\n", false), "\\u001b[2mdim\n");
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_no_error() {
        static NOT_WRITTEN: AtomicU64 = AtomicU64::new(0);
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut lines = VisibleLines::new(full, false, &NOT_WRITTEN);
        lines.write_all(b"one\n").unwrap();
        lines.write_all(b"two\n").unwrap();
        lines.flush().unwrap();
        assert_eq!(NOT_WRITTEN.load(Relaxed), 2);
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_nothing_waits_for_a_reader_that_hangs() {
        struct Hangs(std::sync::mpsc::Receiver<()>);
        impl Write for Hangs {
            fn write(&mut self, line: &[u8]) -> io::Result<usize> {
                let _ = self.0.recv();
                Ok(line.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (wake, hangs) = std::sync::mpsc::channel();
        let thread = tracing_appender::non_blocking::NonBlockingBuilder::default().buffered_lines_limit(4);
        let (lines, _guard) = thread.finish(Hangs(hangs));
        let mut to = CutLines { to: lines.clone(), json: false };
        (0..10).for_each(|_| to.write_all(b"line\n").unwrap());
        // One is being written, four wait.
        assert!((5..=6).contains(&lines.error_counter().dropped_lines()));
        drop(wake);
    }

    #[test]
    fn a_line_is_cut_before_it_waits() {
        let (lines, _guard) = tracing_appender::non_blocking(io::sink());
        let long = [b'x'; LINE_BYTES * 3];
        assert_eq!(CutLines { to: lines, json: false }.write(&long).unwrap(), long.len());
    }

    #[test]
    fn a_json_line_that_is_cut_is_json() {
        struct Kept(std::sync::mpsc::Sender<Vec<u8>>);
        impl Write for Kept {
            fn write(&mut self, line: &[u8]) -> io::Result<usize> {
                self.0.send(line.to_vec()).unwrap();
                Ok(line.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (kept, written) = std::sync::mpsc::channel();
        let (lines, _guard) = tracing_appender::non_blocking(Kept(kept));
        let mut to = CutLines { to: lines, json: true };
        let cut = |to: &mut CutLines, fields: Value| {
            to.write_all(format!("{fields}\n").as_bytes()).unwrap();
            let line = written.recv().unwrap();
            assert!(line.len() <= LINE_BYTES && line.ends_with(b"\n"), "{}", line.len());
            serde_json::from_slice::<Value>(&line).unwrap()
        };
        let job = TraceContext { trace: 7, span: 9, sampled: true };
        let shown = trace::during(Some(job), || cut(&mut to, serde_json::json!({"message": "m"})));
        assert_eq!(
            shown,
            serde_json::json!({"trace_id": format!("{:032x}", 7), "span_id": format!("{:016x}", 9), "message": "m"})
        );
        let usual = serde_json::json!({"level": "WARN", "message": "m", "job.id": "j"});
        assert_eq!(cut(&mut to, usual.clone()), usual);
        let mut long = usual.clone();
        long["error"] = "ä".repeat(LINE_BYTES).into();
        let shown = cut(&mut to, long);
        assert_eq!((&shown["job.id"], &shown["log.cut"], &shown["message"]), (&"j".into(), &true.into(), &"m".into()));
        assert!(shown["error"].as_str().unwrap().ends_with('…'), "{shown}");
        let mut wide = usual;
        (0..100).for_each(|n| wide[format!("field-{n}")] = "\u{1}".repeat(TEXT_BYTES).into());
        wide["message"] = "\u{1}".repeat(LINE_BYTES).into();
        let shown = cut(&mut to, wide);
        assert_eq!((&shown["level"], &shown["field-1"]), (&"WARN".into(), &Value::Null));
        assert_eq!(shown["message"].as_str().unwrap().len(), TEXT_BYTES / 2);
    }
}
