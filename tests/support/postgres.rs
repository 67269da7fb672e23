//! A PostgreSQL cluster of our own: own directory, own port on 127.0.0.1, own socket. None is ever touched but those
//! started here.
//!
//! A server refuses to run as root; then it runs as the user `postgres`, which its package has made. A shell waits at the
//! other end of a pipe that closes when we end, however we end: it kills the server, by its id, and removes the files.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::clock_set::SetClock;

const USER: &str = "crossgrant";
/// Good for `localhost` and 127.0.0.1, until 2120, and for nothing but tests; signed by `tls/ca.pem`.
const CERTIFICATE: &str = include_str!("tls/server.pem");
const KEY: &str = include_str!("tls/server.key");
/// A start takes a second, and after a crash a little more; this is for a machine with other things to do.
const BOOT_LIMIT: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(20);

/// A running cluster, or one that was killed and can be started again.
pub struct Cluster {
    bin: PathBuf,
    dir: PathBuf,
    port: u16,
    fsync: &'static str,
    clock: Option<SetClock>,
    server: Mutex<Option<Child>>,
    _janitor: ChildStdin,
}

impl Cluster {
    /// The cluster that the tests of this process share, each with a database of its own. It is never killed, so what it
    /// writes need not get to the disk: a database is then removed in a twentieth of the time.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Option<Arc<Cluster>>> = Mutex::new(None);
        let mut shared = SHARED.lock().unwrap_or_else(|e| e.into_inner());
        Arc::clone(shared.get_or_insert_with(|| Arc::new(Self::start_with("fsync=off", None).unwrap())))
    }

    /// Makes a new cluster and starts it.
    pub fn start() -> io::Result<Self> {
        Self::start_with("fsync=on", None)
    }

    /// A new cluster that goes by a clock which can be set.
    pub fn with_clock(clock: SetClock) -> Arc<Self> {
        Arc::new(Self::start_with("fsync=off", Some(clock)).unwrap())
    }

    /// The clock that it goes by, which must be one that can be set.
    pub fn clock(&self) -> &SetClock {
        self.clock.as_ref().expect("it was started with one")
    }

    fn start_with(fsync: &'static str, clock: Option<SetClock>) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let bin = programs().ok_or_else(|| {
            let how = "no PostgreSQL server: install it (Debian, Ubuntu: apt-get install postgresql)";
            io::Error::new(io::ErrorKind::NotFound, how)
        })?;
        // Not below the directory of the build: another user must be able to reach it, and the path of a socket is short.
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("crossgrant-postgres-{}-{count}", std::process::id()));
        fs::create_dir(&dir)?;
        let janitor = janitor(&dir)?;
        for (name, text) in [("server.pem", CERTIFICATE), ("server.key", KEY)] {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(0o600).open(dir.join(name))?.write_all(text.as_bytes())?;
        }
        if is_root()? {
            run(Command::new("chown").args(["-R", "postgres:"]).arg(&dir))?;
        }
        let data = dir.join("data");
        let options = ["-U", USER, "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"];
        run(unprivileged(&bin.join("initdb"))?.args(options).arg(&data))?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let cluster = Self { bin, dir, port, fsync, clock, server: Mutex::new(None), _janitor: janitor };
        cluster.run()?;
        Ok(cluster)
    }

    /// A new database.
    pub fn database(self: &Arc<Self>) -> Database {
        self.database_with(&[])
    }

    /// A new database, made with these arguments of `createdb`.
    pub fn database_with(self: &Arc<Self>, arguments: &[&str]) -> Database {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test{}", COUNT.fetch_add(1, Ordering::Relaxed));
        run(self.client("createdb").args(arguments).arg(&name)).unwrap();
        Database { cluster: Arc::clone(self), name }
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", USER]);
        command
    }

    /// Kills the server without a warning; what it has on disk stays.
    pub fn kill9(&self) {
        if let Some(mut server) = self.server().take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// Starts the server again, on the same port and files, killing it first if it runs.
    pub fn restart(&self) -> io::Result<()> {
        self.kill9();
        // What the dead server has left behind goes by itself, but not at once.
        let began = now();
        loop {
            match self.run() {
                Err(error) if began.elapsed() > BOOT_LIMIT => return Err(error),
                Err(_) => pause(),
                Ok(()) => return Ok(()),
            }
        }
    }

    fn server(&self) -> MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn run(&self) -> io::Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(self.dir.join("log"))?;
        let (port, sockets) =
            (format!("port={}", self.port), format!("unix_socket_directories={}", self.dir.display()));
        let file = |what: &str, name: &str| format!("ssl_{what}_file={}", self.dir.join(name).display());
        let (certificate, key) = (file("cert", "server.pem"), file("key", "server.key"));
        let settings = [
            "listen_addresses=127.0.0.1,127.0.0.2",
            &port,
            &sockets,
            self.fsync,
            "max_connections=300",
            "ssl=on",
            &certificate,
            &key,
        ];
        let mut command = unprivileged(&self.bin.join("postgres"))?;
        command.arg("-D").arg(self.dir.join("data")).args(settings.iter().flat_map(|setting| ["-c", setting]));
        command.envs(self.clock.iter().flat_map(SetClock::environment));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        let mut server = command.spawn()?;
        let began = now();
        while !self.is_ready() {
            if let Some(status) = server.try_wait()? {
                return Err(self.failed(&format!("ended ({status})")));
            }
            if began.elapsed() > BOOT_LIMIT {
                let _ = server.kill();
                let _ = server.wait();
                return Err(self.failed("does not answer"));
            }
            pause();
        }
        *self.server() = Some(server);
        Ok(())
    }

    fn is_ready(&self) -> bool {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            return false;
        }
        let status = self.client("pg_isready").args(["-q", "-d", "postgres"]).status();
        status.is_ok_and(|status| status.success())
    }

    fn failed(&self, how: &str) -> io::Error {
        let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        io::Error::other(format!("the PostgreSQL server {how}:\n{log}"))
    }
}

#[allow(dead_code, reason = "only `by_hand chaos` needs these")]
impl Cluster {
    /// Stops the server where it is (SIGSTOP), with all its sessions, until it is woken.
    pub fn suspend(&self) -> io::Result<()> {
        self.signal("-STOP")
    }

    /// Lets the server go on after it was suspended.
    pub fn wake(&self) -> io::Result<()> {
        self.signal("-CONT")
    }

    fn signal(&self, signal: &str) -> io::Result<()> {
        // The child is not waited for while this lock is held, so the id is still its own.
        let server = self.server();
        let id = server.as_ref().ok_or_else(|| io::Error::other("the server does not run"))?.id().to_string();
        run(Command::new("kill").args([signal, &id]))?;
        // Each session has a process group of its own. A stopped server waits for none of them, so their ids stay theirs.
        let is_session = |session: &String| {
            let stat = fs::read_to_string(format!("/proc/{session}/stat")).unwrap_or_default();
            stat.rsplit(')').next().and_then(|fields| fields.split_whitespace().nth(1)) == Some(id.as_str())
        };
        let entries = fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let sessions: Vec<String> = entries.filter(is_session).collect();
        // One that ends meanwhile is not missed.
        Command::new("kill").arg(signal).args(sessions).stderr(Stdio::null()).status().map(drop)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// A pgbouncer in front of a cluster. Dropping it kills it.
pub struct Pooler {
    port: u16,
    process: Child,
}

impl Pooler {
    /// Starts one whose clients keep their session for a `session`, a `transaction` or a `statement`.
    pub fn start(cluster: &Cluster, mode: &str) -> io::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let file = cluster.dir.join(format!("pgbouncer-{port}.ini"));
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={} user={USER}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = {mode}\n\
             ignore_startup_parameters = extra_float_digits\n",
            cluster.port
        );
        fs::write(&file, text)?;
        let mut command = unprivileged(Path::new("/usr/sbin/pgbouncer"))?;
        command.arg("-q").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let pooler = Self { port, process: command.spawn()? };
        let began = now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if began.elapsed() > BOOT_LIMIT {
                return Err(io::Error::other("pgbouncer does not answer"));
            }
            pause();
        }
        Ok(pooler)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A database of one test. Dropping it removes it, even while it is used.
pub struct Database {
    cluster: Arc<Cluster>,
    name: String,
}

impl Database {
    /// What a client connects to.
    pub fn url(&self) -> String {
        self.url_by(self.cluster.port)
    }

    /// The same, through another port of this machine.
    pub fn url_by(&self, port: u16) -> String {
        format!("postgres://{USER}@127.0.0.1:{port}/{}?sslmode=disable", self.name)
    }

    /// Where it is.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The files go with the cluster, should this fail.
        let _ = run(self.cluster.client("dropdb").args(["--force", &self.name]));
    }
}

/// Where the programs of the newest installed server are: Debian keeps them out of the way.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())));
    let debian = newest.max().map(|(_, path)| path.join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    debian.into_iter().chain(std::env::split_paths(&path)).find(|dir| dir.join("postgres").exists())
}

fn is_root() -> io::Result<bool> {
    let id = Command::new("id").arg("-u").output()?;
    Ok(id.stdout.trim_ascii() == b"0")
}

/// A program that runs as somebody who is not root.
fn unprivileged(program: &Path) -> io::Result<Command> {
    if !is_root()? {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program).current_dir("/");
    Ok(command)
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))),
    }
}

/// Cleans up when the pipe that is returned is closed. The id in the server's own file may have become another's; so the
/// process must have our directory on its command line.
pub fn janitor(dir: &Path) -> io::Result<ChildStdin> {
    let script = r#"
        cat >/dev/null
        pid=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null)
        if [ -n "$pid" ] && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$0"; then kill -9 "$pid"; fi
        for try in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$0" 2>/dev/null && exit; sleep 0.2; done
    "#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(dir).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = shell.process_group(0).spawn()?;
    Ok(child.stdin.take().expect("it is piped"))
}

#[allow(clippy::disallowed_methods)] // another process, with a clock of its own
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

#[allow(clippy::disallowed_methods)] // another process gives no notice when it is ready
fn pause() {
    std::thread::sleep(POLL);
}
