//! Lines of the log on their way to standard error.

use std::io::{self, Write};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use tracing_appender::non_blocking::NonBlocking;
use tracing_subscriber::fmt::MakeWriter;

use crate::domain::visible;

/// The longest line, in bytes. The longest that this program has cause for are errors of servers, which the readers of
/// answers cut at a few KiB.
pub(super) const LINE_BYTES: usize = 16 << 10;

/// Cuts a line before it waits to be written, so that what waits is bounded in bytes.
#[derive(Clone)]
pub(super) struct CutLines(pub NonBlocking);

impl<'a> MakeWriter<'a> for CutLines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for CutLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if line.len() <= LINE_BYTES {
            self.0.write_all(line)?;
        } else {
            let mut cut = line[..LINE_BYTES - 16].to_vec();
            cut.extend_from_slice("… (cut)\n".as_bytes());
            self.0.write_all(&cut)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
        let mut to = CutLines(lines.clone());
        (0..10).for_each(|_| to.write_all(b"line\n").unwrap());
        // One is being written, four wait.
        assert!((5..=6).contains(&lines.error_counter().dropped_lines()));
        drop(wake);
    }

    #[test]
    fn a_line_is_cut_before_it_waits() {
        let (lines, _guard) = tracing_appender::non_blocking(io::sink());
        let long = [b'x'; LINE_BYTES * 3];
        assert_eq!(CutLines(lines).write(&long).unwrap(), long.len());
    }
}
