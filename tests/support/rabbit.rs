//! A RabbitMQ node of our own: own ports on 127.0.0.1, own epmd, own cookie, own data. Several can run at once, and
//! none is ever touched but those started here. A node can join another in a cluster: they share its epmd.
//!
//! What makes it private and killable: the scripts under `/usr/lib/rabbitmq/bin` (those in `PATH` switch the user and
//! the directory); `RUNNING_UNDER_SYSTEMD`, with which the start script becomes the node's process instead of its
//! parent; an epmd that we start ourselves, since one that a node starts survives it. With `RABBITMQ_BIN` in the
//! environment, another installation's scripts are used.

mod epmd;

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::Duration;

use super::postgres::janitor;
use epmd::{Epmd, free_ports, local};

const BIN: &str = "/usr/lib/rabbitmq/bin";
const USER: &str = "crossgrant";
const PASSWORD: &str = "crossgrant";
/// A boot takes 2 to 6 s; this is for a machine with other things to do.
const BOOT_LIMIT: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(20);

/// A running node, or one that was killed and can be started again. Dropping it kills it and removes its files.
pub struct Rabbit {
    /// Where the programs of its installation are.
    bin: PathBuf,
    dir: PathBuf,
    ports: Ports,
    epmd: Arc<Epmd>,
    node: Mutex<Option<Child>>,
    _janitor: ChildStdin,
}

#[derive(Clone, Copy)]
struct Ports {
    amqp: u16,
    dist: u16,
}

impl Rabbit {
    /// The user that everybody connects as.
    pub const USER: &str = USER;

    /// Boots a node whose files live in a new directory under `base`.
    pub fn start(base: &Path) -> io::Result<Self> {
        let bin = std::env::var_os("RABBITMQ_BIN").map_or_else(|| BIN.into(), PathBuf::from);
        Self::start_from(&bin, base)
    }

    /// The same, with the programs in `bin`.
    pub fn start_from(bin: &Path, base: &Path) -> io::Result<Self> {
        if !bin.join("rabbitmq-server").exists() {
            let how = "install it (Debian, Ubuntu: apt-get install rabbitmq-server)";
            let what = format!("no {}/rabbitmq-server: {how}", bin.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, what));
        }
        // A node has a working directory of its own.
        Self::boot(&bin.canonicalize()?, base, || Epmd::start().map(Arc::new))
    }

    fn boot(bin: &Path, base: &Path, epmd: impl Fn() -> io::Result<Arc<Epmd>>) -> io::Result<Self> {
        // A port that was free may be taken by the time the node listens on it.
        let mut last = None;
        for _ in 0..3 {
            match epmd().and_then(|epmd| Self::boot_once(bin, base, epmd)) {
                Ok(rabbit) => return Ok(rabbit),
                Err(e) => last = Some(e),
            }
        }
        Err(last.expect("at least one attempt was made"))
    }

    fn boot_once(bin: &Path, base: &Path, epmd: Arc<Epmd>) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let [amqp, dist] = free_ports()?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = base.join(format!("rabbit-{}-{count}-{amqp}", std::process::id()));
        for sub in ["home", "mnesia", "log", "schema"] {
            fs::create_dir_all(dir.join(sub))?;
        }
        let dir = dir.canonicalize()?;
        let janitor = janitor(&dir)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o400);
        options.open(dir.join("home/.erlang.cookie"))?.write_all(epmd.cookie().as_bytes())?;
        fs::write(dir.join("enabled_plugins"), "[].")?;
        fs::write(dir.join("advanced.config"), "[].")?;
        let definitions = dir.join("definitions.json");
        fs::write(&definitions, users())?;
        fs::write(
            dir.join("rabbitmq.conf"),
            format!(
                "listeners.tcp.local = 127.0.0.1:{amqp}\nload_definitions = {}\n\
                 vm_memory_high_watermark.absolute = 1GiB\ndisk_free_limit.absolute = 50MB\nlog.console = false\n",
                definitions.display()
            ),
        )?;
        let ports = Ports { amqp, dist };
        let rabbit = Self { bin: bin.into(), dir, ports, epmd, node: Mutex::new(None), _janitor: janitor };
        rabbit.run()?;
        Ok(rabbit)
    }

    /// What a client connects to that may do everything.
    pub fn amqp_url(&self) -> String {
        self.url_of(USER)
    }

    /// What one of the users of `deploy/rabbitmq/definitions.json` connects to, such as `crossgrant-worker`.
    pub fn url_of(&self, user: &str) -> String {
        format!("amqp://{user}:{PASSWORD}@127.0.0.1:{}/%2f", self.ports.amqp)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        local(self.ports.amqp)
    }

    /// What the nodes of its cluster call it.
    pub fn name(&self) -> String {
        format!("r{}@localhost", self.ports.amqp)
    }

    /// Kills the node without a warning; its data stay.
    pub fn kill9(&self) {
        if let Some(mut node) = self.node() {
            kill_group(&mut node);
        }
    }

    /// Has the node save its table of quorum queues, which it does only when it has been idle for half a second. A node that
    /// is killed sooner never again starts a new queue, and a client that consumes or publishes waits for ever.
    pub fn remember_queues(&self) -> io::Result<()> {
        self.ctl(&["eval", "[ok = dets:sync(Table) || Table <- dets:all()]."]).map(drop)
    }

    /// Shuts the node down in order (some 6 s); its data stay.
    pub fn stop(&self) -> io::Result<()> {
        match self.node() {
            Some(mut node) => {
                Command::new("kill").args(["-TERM", &node.id().to_string()]).status()?;
                node.wait().map(drop)
            }
            None => Ok(()),
        }
    }

    /// Starts the node again, on the same ports and data, killing it first if it runs.
    pub fn restart(&self) -> io::Result<()> {
        self.kill9();
        self.run()
    }

    /// `rabbitmqctl` on this node; an error with its output if it fails.
    pub fn ctl(&self, args: &[&str]) -> io::Result<String> {
        let Output { status, stdout, stderr } =
            self.on_node(Command::new(self.bin.join("rabbitmqctl"))).args(args).output()?;
        match status.success() {
            true => Ok(String::from_utf8_lossy(&stdout).into_owned()),
            false => Err(io::Error::other(format!("rabbitmqctl {args:?}: {}", String::from_utf8_lossy(&stderr)))),
        }
    }

    fn node(&self) -> Option<Child> {
        self.node.lock().unwrap_or_else(|e| e.into_inner()).take()
    }

    fn run(&self) -> io::Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(self.dir.join("log/console.log"))?;
        let mut command = self.on_node(mortal(&self.bin.join("rabbitmq-server")));
        command.stderr(log.try_clone()?);
        let node = spawn(command, log.into())?;
        *self.node.lock().unwrap_or_else(|e| e.into_inner()) = Some(node);
        self.wait_until("the node", || self.answers())
    }

    /// Whether the node answers an AMQP client with `connection.start`.
    fn answers(&self) -> bool {
        let ask = || -> io::Result<bool> {
            let mut socket = TcpStream::connect(local(self.ports.amqp))?;
            socket.set_read_timeout(Some(Duration::from_secs(5)))?;
            socket.write_all(b"AMQP\0\0\x09\x01")?;
            let mut frame = [0; 7];
            socket.read_exact(&mut frame)?;
            Ok(frame[0] == 1)
        };
        ask().unwrap_or(false)
    }

    #[allow(clippy::disallowed_methods)] // another process's port gives no notice when it opens
    fn wait_until(&self, what: &str, ready: impl Fn() -> bool) -> io::Result<()> {
        let began = std::time::Instant::now();
        while !ready() {
            let mut node = self.node.lock().unwrap_or_else(|e| e.into_inner());
            let ended = node.as_mut().and_then(|node| node.try_wait().ok().flatten());
            drop(node);
            if ended.is_some() || began.elapsed() > BOOT_LIMIT {
                let log = fs::read_to_string(self.dir.join("log/console.log")).unwrap_or_default();
                let how = ended.map_or("does not answer".into(), |status| format!("ended ({status})"));
                return Err(io::Error::other(format!("{what} {how}:\n{log}")));
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// The environment in which a tool or the server means this node.
    fn on_node(&self, mut command: Command) -> Command {
        let erl = "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false";
        command
            .current_dir(&self.dir)
            .env_clear()
            // What counts and slows the fsyncs of a benchmark.
            .envs(
                ["LD_PRELOAD", "BENCH_SYNC_DIR", "BENCH_SYNC_US"]
                    .into_iter()
                    .filter_map(|n| Some((n, std::env::var_os(n)?))),
            )
            .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()))
            .env("LANG", "C.UTF-8")
            .env("HOME", self.dir.join("home"))
            .env("ERL_EPMD_PORT", self.epmd.port().to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            // For the helpers a node starts, too: they would bring up an epmd of their own when ours is gone.
            .env("ERL_FLAGS", "-start_epmd false")
            .env("RABBITMQ_NODENAME", self.name())
            .env("RABBITMQ_DIST_PORT", self.ports.dist.to_string())
            .env("RABBITMQ_CTL_DIST_PORT_MIN", "0")
            .env("RABBITMQ_CTL_DIST_PORT_MAX", "0")
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_CONFIG_FILE", self.dir.join("rabbitmq.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", self.dir.join("advanced.config"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", self.dir.join("enabled_plugins"))
            .env("RABBITMQ_MNESIA_BASE", self.dir.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", self.dir.join("log"))
            .env("RABBITMQ_SCHEMA_DIR", self.dir.join("schema"))
            .env("RABBITMQ_GENERATED_CONFIG_DIR", self.dir.join("schema"))
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", erl)
            .env("RABBITMQ_CTL_ERL_ARGS", erl)
            .env("RUNNING_UNDER_SYSTEMD", "1");
        command
    }
}

#[allow(dead_code, reason = "only `by_hand chaos` needs these")]
impl Rabbit {
    /// Boots another node of the same installation, and makes it one of this node's cluster.
    pub fn join(&self, base: &Path) -> io::Result<Self> {
        let node = Self::boot(&self.bin, base, || Ok(Arc::clone(&self.epmd)))?;
        for step in [&["stop_app"][..], &["reset"], &["join_cluster", &self.name()], &["start_app"]] {
            node.ctl(step)?;
        }
        Ok(node)
    }

    /// Stops the node where it is (SIGSTOP), until it is woken.
    pub fn suspend(&self) -> io::Result<()> {
        self.signal("-STOP")
    }

    /// Lets the node go on after it was suspended.
    pub fn wake(&self) -> io::Result<()> {
        self.signal("-CONT")
    }

    fn signal(&self, signal: &str) -> io::Result<()> {
        // The child is not waited for while this lock is held, so the id is still its own.
        let node = self.node.lock().unwrap_or_else(|e| e.into_inner());
        let id = node.as_ref().ok_or_else(|| io::Error::other("the node does not run"))?.id().to_string();
        match Command::new("kill").args([signal, &id]).status()?.success() {
            true => Ok(()),
            false => Err(io::Error::other(format!("{} cannot be sent {signal}", self.name()))),
        }
    }
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        self.kill9();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Starts a process in a group of its own. What is [`mortal`] dies with the *thread* that started it, and a test's thread
/// ends with the test; so one thread that ends only with us starts them all.
pub fn spawn(mut command: Command, stdout: Stdio) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static NURSE: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let nurse = NURSE.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in inbox {
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    command.stdin(Stdio::null()).stdout(stdout).process_group(0);
    let (reply, answer) = mpsc::channel();
    let orders = nurse.lock().unwrap_or_else(|e| e.into_inner()).clone();
    orders.send((command, reply)).map_err(io::Error::other)?;
    answer.recv().map_err(io::Error::other)?
}

/// A program that is killed when the thread that started it ends: through `setpriv`, which sets the signal and becomes
/// the program. Without `setpriv` only its owner's drop kills it.
pub fn mortal(program: &Path) -> Command {
    let setpriv = Path::new("/usr/bin/setpriv");
    if !setpriv.exists() {
        return Command::new(program);
    }
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

fn kill_group(child: &mut Child) {
    // The group first (a port program may have outlived its node), then the child itself, by its handle.
    let group = format!("-{}", child.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    let _ = child.kill();
    let _ = child.wait();
}

/// A user who may do everything, and the users of `deploy/rabbitmq/definitions.json` with the rights that they have there,
/// for workers whose prefix is that of a site.
fn users() -> String {
    let file = include_str!("../../deploy/rabbitmq/definitions.json");
    let from = file.find("\"users\"").expect("it has users");
    let until = file.find("\"exchanges\"").expect("it has exchanges");
    let no_password = "\"password_hash\": \"\", \"hashing_algorithm\": \"rabbit_password_hashing_sha256\"";
    let of_a_site = |line: &str| match ["configure", "write", "read"].iter().any(|right| line.contains(right)) {
        true => {
            line.replace("crossgrant-", "\0").replace("crossgrant", "site[0-9]+-[0-9]+").replace('\0', "crossgrant-")
        }
        false => line.replace(no_password, &format!("\"password\": \"{PASSWORD}\"")),
    };
    let theirs = file[from..until].lines().map(of_a_site).collect::<Vec<_>>().join("\n");
    let ours = format!("{{\"name\": \"{USER}\", \"password\": \"{PASSWORD}\", \"tags\": [\"administrator\"]}},");
    let all = format!(
        "{{\"user\": \"{USER}\", \"vhost\": \"/\", \"configure\": \".*\", \"write\": \".*\", \"read\": \".*\"}},"
    );
    let theirs = theirs.replacen("\"users\": [", &format!("\"users\": [{ours}"), 1);
    let theirs = theirs.replacen("\"permissions\": [", &format!("\"permissions\": [{all}"), 1);
    format!("{{\"vhosts\": [{{\"name\": \"/\"}}], {}}}", theirs.trim_end().trim_end_matches(','))
}
