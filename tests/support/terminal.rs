//! A pseudo-terminal, for what the program shows to a person.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::process::LIMIT;

/// A program whose standard output and standard error are a terminal. Dropping it kills it.
pub struct OnTerminal {
    child: Child,
    screen: Arc<Screen>,
}

#[derive(Default)]
struct Screen {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    text: String,
    closed: bool,
}

impl OnTerminal {
    /// Starts a command on a terminal of this width. What it reads is empty.
    pub fn start(mut command: Command, columns: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap();
        let open = || rustix::fs::open(&path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let slave: OwnedFd = open();
        tcsetwinsize(&slave, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let (out, err): (OwnedFd, OwnedFd) = (open(), open());
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().unwrap();
        // Only the program has the terminal now; when it ends, reading fails.
        drop((slave, command));
        let screen = Arc::new(Screen::default());
        screen.keep(File::from(master));
        Self { child, screen }
    }

    /// Waits until `wanted` is shown, from the beginning on; returns all that was shown.
    pub fn until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let state = self.screen.state.lock().unwrap();
        let (state, waited) =
            self.screen.news.wait_timeout_while(state, LIMIT, |s| !wanted(&s.text) && !s.closed).unwrap();
        assert!(!waited.timed_out() && wanted(&state.text), "not shown: {what}\n{:?}", state.text);
        state.text.clone()
    }

    /// Asks it to stop, as Ctrl-C does.
    pub fn interrupt(&self) {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end; returns all that was shown.
    pub fn end(mut self) -> (ExitStatus, String) {
        let state = self.screen.state.lock().unwrap();
        let (state, waited) = self.screen.news.wait_timeout_while(state, LIMIT, |s| !s.closed).unwrap();
        assert!(!waited.timed_out(), "it does not end:\n{}", state.text);
        let text = state.text.clone();
        drop(state);
        (self.child.wait().unwrap(), text)
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Screen {
    fn keep(self: &Arc<Self>, mut master: File) {
        let screen = Arc::clone(self);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = master.read(&mut chunk) {
                screen.state.lock().unwrap().text.push_str(&String::from_utf8_lossy(&chunk[..read]));
                screen.news.notify_all();
            }
            screen.state.lock().unwrap().closed = true;
            screen.news.notify_all();
        });
    }
}

/// The lines of what was shown, without what moves the cursor.
pub fn lines(shown: &str) -> Vec<String> {
    let plain = shown.replace("\r\n", "\n").replace("\u{1b}[2K", "").replace("\u{1b}[H\u{1b}[2J", "\n");
    plain.split(['\n', '\r']).map(str::to_owned).collect()
}
