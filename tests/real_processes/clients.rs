//! The example clients, run as their README says: 300 grants, counted; killed in the middle; and a message that no queue takes.
//!
//! They need packages of two other languages, which `make clients` installs; it says where, in the environment.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{GRANT, answers, operations, site};
use crate::support::mailbox::Post;
use crate::support::process::{LIMIT, Process};
use crate::support::scratch;
use crate::support::site::{Options, Site, another, job, until};

const PYTHON: &str = include_str!("../../examples/clients/python/grants.py");
const BATCH: &str = include_str!("../../examples/clients/python/batch.py");
const ONE_ANSWER: &str = include_str!("../../examples/clients/python/one_answer.py");
const ONE_ANSWER_IN_TYPESCRIPT: &str = include_str!("../../examples/clients/typescript/one_answer.ts");
const TYPESCRIPT: &str = include_str!("../../examples/clients/typescript/grants.ts");
const USER: &str = "crossgrant-submitter";
const MANY: usize = 300;

/// A client: the program that runs it, and its file.
struct Client {
    program: PathBuf,
    file: PathBuf,
}

impl Client {
    /// What `make clients` has installed for a language.
    fn installed(language: &str) -> Self {
        let set = |part: &str| {
            let name = format!("CLIENT_{language}_{part}");
            PathBuf::from(std::env::var_os(&name).unwrap_or_else(|| panic!("{name} is not set: run `make clients`")))
        };
        Self { program: set("PROGRAM"), file: set("FILE") }
    }

    /// Starts it on a file of jobs, as the submitter of a site or at the URL that is given.
    fn start(&self, site: &Site, jobs: &Path, more: &[(&str, &str)]) -> Process {
        let url = site.rabbit.url_of(USER);
        let around = [("AMQP_URL", url.as_str()), ("EXCHANGE", site.mail.prefix())];
        let around = [&around[..], more].concat();
        let args = [self.file.to_str().unwrap(), jobs.to_str().unwrap()];
        Process::start_with("the client", &self.program, &args, &around)
    }
}

fn a_site() -> Site {
    let worker = format!("[[allow]]\nrequesters = [{USER:?}]\nreply_to = [\"{USER}.*\"]");
    site(&Options { hour: "1h", more: MANY, worker: &worker, ..Options::default() })
}

fn file(jobs: &[Value]) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(".json").tempfile_in(scratch()).unwrap();
    std::fs::write(file.path(), json!(jobs).to_string()).unwrap();
    file
}

/// The jobs that a client said were completed.
fn completed(lines: &[String]) -> Vec<&str> {
    let said = lines.iter().filter_map(|line| line.split_once(" crossgrant.job.completed"));
    said.map(|(job, _)| job).collect()
}

/// Kills it in the middle of 300 grants, and asks for all of them again.
fn counts_each_answer_once(client: &Client) {
    let site = a_site();
    let queue = format!("{USER}.{}", site.mail.prefix());
    let _worker = site.worker();
    let jobs: Vec<Value> = (0..MANY).map(|n| job(&format!("C-{n}"), "grant", &another(n))).collect();
    let (jobs, queue) = (file(&jobs), [("ANSWERS", queue.as_str())]);

    let first = client.start(&site, jobs.path(), &queue);
    let mut seen = 0;
    first.line("50 answers", |line| {
        seen += usize::from(line.contains("crossgrant.job.completed"));
        (seen == 50).then_some(())
    });
    first.kill9();
    let before = completed(&first.lines()).len();
    assert!(before < MANY, "it was killed in the middle");

    let second = client.start(&site, jobs.path(), &queue);
    let status = second.end(2 * LIMIT).expect("it ends");
    let lines = second.lines();
    assert!(status.success(), "{status}: {:?}", lines.last());
    assert_eq!(lines.last().unwrap(), "300 jobs: 300 completed");
    let told = completed(&lines);
    let once: BTreeSet<&str> = told.iter().copied().collect();
    assert_eq!((told.len(), once.len()), (MANY, MANY), "what came twice was handled once");
    for n in 0..MANY {
        assert_eq!(operations(&site, &another(n)), [GRANT], "each was granted once");
    }
    assert_eq!(answers(&site, GRANT), format!("{MANY} OK"));
}

fn tells_a_rejection_and_what_no_queue_takes(client: &Client) {
    let site = a_site();
    let _worker = site.worker();
    let mut bad = job("C-1", "grant", &another(0));
    bad["cen"]["id"] = json!("cen-");
    let jobs = file(&[bad]);
    let rejected = client.start(&site, jobs.path(), &[]);
    assert_eq!(rejected.end(LIMIT).expect("it ends").code(), Some(1));
    assert_eq!(rejected.lines().last().unwrap(), "1 jobs: 1 rejected");

    // The node's administrator may publish to an exchange that leads nowhere.
    let url = site.rabbit.amqp_url();
    let nowhere = [("AMQP_URL", url.as_str()), ("EXCHANGE", "amq.topic")];
    let jobs = file(&[job("C-2", "grant", &another(0))]);
    let lost = client.start(&site, jobs.path(), &nowhere);
    assert_ne!(lost.end(LIMIT).expect("it ends").code(), Some(0));
    let said = lost.lines().join("\n");
    assert!(said.contains("no queue took C-2") || said.contains("UnroutableError"), "{said}");
}

#[test]
#[ignore = "needs packages of Python: make clients"]
fn the_client_in_python_counts_each_answer_once() {
    counts_each_answer_once(&Client::installed("PYTHON"));
}

#[test]
#[ignore = "needs packages of Python: make clients"]
fn the_client_in_python_tells_a_rejection_and_what_no_queue_takes() {
    tells_a_rejection_and_what_no_queue_takes(&Client::installed("PYTHON"));
}

#[test]
#[ignore = "needs packages of Node.js: make clients"]
fn the_client_in_typescript_counts_each_answer_once() {
    counts_each_answer_once(&Client::installed("TYPESCRIPT"));
}

#[test]
#[ignore = "needs packages of Node.js: make clients"]
fn the_client_in_typescript_tells_a_rejection_and_what_no_queue_takes() {
    tells_a_rejection_and_what_no_queue_takes(&Client::installed("TYPESCRIPT"));
}

/// Killed while it waits, and asked again: one answer, and each granted once. Then a file with a wrong job: no job is taken.
fn gets_one_answer(language: &str) {
    let site = a_site();
    let queue = format!("{USER}.{}", site.mail.prefix());
    let Client { program, file: other } = Client::installed(language);
    let client = other.with_file_name("one_answer").with_extension(other.extension().unwrap());
    let run = |jobs: &[Value], id: &str| {
        let (jobs, url) = (file(jobs), site.rabbit.url_of(USER));
        let around = [("AMQP_URL", url.as_str()), ("EXCHANGE", site.mail.prefix()), ("ANSWERS", queue.as_str())];
        let args = [client.to_str().unwrap(), id, jobs.path().to_str().unwrap()];
        (Process::start_with("the client", &program, &args, &around), jobs)
    };
    let _worker = site.worker();
    let mut jobs: Vec<Value> = (0..MANY).map(|n| job(&format!("O-{n}"), "grant", &another(n))).collect();
    let (first, _jobs) = run(&jobs, "MOVE-8");
    until("some are granted", || {
        let granted = site.cloud.answers(GRANT).get("OK").copied().unwrap_or_default();
        (granted > 20).then_some(())
    });
    first.kill9();
    let (second, _jobs) = run(&jobs, "MOVE-8");
    assert!(second.end(2 * LIMIT).expect("it ends").success(), "{:?}", second.lines());
    let said: Vec<Value> = second.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(said, [json!({"completed": {"done": MANY}})]);
    assert_eq!(answers(&site, GRANT), format!("{MANY} OK"));

    jobs[17]["kind"] = json!("grnt");
    let (wrong, _jobs) = run(&jobs, "MOVE-9");
    assert_eq!(wrong.end(LIMIT).expect("it ends").code(), Some(1));
    assert!(wrong.lines()[0].starts_with("/jobs/17/kind: "), "{:?}", wrong.lines());
}

#[test]
#[ignore = "needs packages of Python: make clients"]
fn the_client_in_python_gets_one_answer_by_amqp() {
    gets_one_answer("PYTHON");
}

#[test]
#[ignore = "needs packages of Node.js: make clients"]
fn the_client_in_typescript_gets_one_answer() {
    gets_one_answer("TYPESCRIPT");
}

/// 300 grants over HTTP, one answer, while the worker is killed and started again; then once more, which begins nothing.
#[test]
#[ignore = "needs Python: make clients"]
fn the_client_in_python_without_amqp_gets_one_answer() {
    let worker = "[door]\nkey = \"0123456789abcdef0123456789abcdef\"\n[[allow]]\nrequesters = [\"http:bot\"]";
    let tokens = "[[admin.token]]\nname = \"bot\"\nrole = \"submitter\"\ntoken = \"s3cr3t-of-the-bot\"";
    let site = site(&Options { hour: "1h", more: MANY, worker, tokens, ..Options::default() });
    let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    site.reconfigure(|text| text.replace("listen = \"127.0.0.1:0\"", &format!("listen = \"{listen}\"")));
    let jobs: Vec<Value> = (0..MANY).map(|n| job(&format!("H-{n}"), "grant", &another(n))).collect();
    let batch = file(&[]);
    std::fs::write(batch.path(), json!({"jobs": jobs}).to_string()).unwrap();
    let token = file(&[]);
    std::fs::write(token.path(), "s3cr3t-of-the-bot\n").unwrap();
    let client =
        Client { file: Client::installed("PYTHON").file.with_file_name("batch.py"), ..Client::installed("PYTHON") };
    let run = || {
        let url = format!("http://{listen}");
        let around = [("CROSSGRANT", url.as_str()), ("TOKEN_FILE", token.path().to_str().unwrap()), ("NO_PROXY", "*")];
        let args = [client.file.to_str().unwrap(), "MOVE-7", batch.path().to_str().unwrap()];
        Process::start_with("the client", &client.program, &args, &around)
    };
    let worker = site.worker();
    let first = run();
    until("some are granted", || {
        let granted = site.cloud.answers(GRANT).get("OK").copied().unwrap_or_default();
        (granted > 20).then_some(())
    });
    worker.process.kill9();
    let _worker = site.worker();
    for client in [first, run()] {
        assert!(client.end(2 * LIMIT).expect("it ends").success(), "{:?}", client.lines());
        assert_eq!(client.lines().last().unwrap(), "{\"completed\": {\"done\": 300}}");
    }
    assert_eq!(answers(&site, GRANT), format!("{MANY} OK"));
}

#[test]
#[ignore = "needs Python: make clients"]
fn the_receiver_in_python_believes_what_is_signed() {
    let tls = |name: &str| format!("{}/tests/support/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    let secret = file(&[]);
    std::fs::write(secret.path(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let site = site(&Options { more: 2, ..Options::default() });
    site.reconfigure(|text| {
        format!(
            "{text}webhook_hosts = [\"localhost:{port}\"]\n[webhook]\nsecret_file = {:?}\n\
             networks = [\"127.0.0.0/8\"]\nca_file = {:?}\n",
            secret.path(),
            tls("ca.pem")
        )
    });
    let client =
        Client { file: Client::installed("PYTHON").file.with_file_name("webhook.py"), ..Client::installed("PYTHON") };
    let (port, certificate, key) = (port.to_string(), tls("server.pem"), tls("server.key"));
    let args = [client.file.to_str().unwrap(), &port, &certificate, &key];
    let receiver = Process::start_with(
        "the receiver",
        &client.program,
        &args,
        &[("SECRET_FILE", secret.path().to_str().unwrap())],
    );
    let _worker = site.worker();
    let body = job("W-1", "grant", &another(0)).to_string().into();
    let reply_to = Some(format!("https://localhost:{port}/hook"));
    site.mail.publish(&[Post { body, reply_to, ..Post::default() }]);
    receiver.line("the end of the job", |line| {
        line.starts_with(&format!("crossgrant.job.completed {}", another(0))).then_some(())
    });
}

#[test]
fn the_core_of_each_client_has_less_than_thirty_lines() {
    let lines = |text: &str, from: &str, until: &str| {
        let (_, core) = text.split_once(from).unwrap();
        core.split_once(until).unwrap().0.lines().count()
    };
    assert!(lines(PYTHON, "\ndef ask", "\ndef main") < 30);
    assert!(lines(TYPESCRIPT, "\nexport async function ask", "\n}\n") < 30);
    assert!(lines(ONE_ANSWER, "\ndef ask", "\ndef main") < 30);
    assert!(lines(ONE_ANSWER_IN_TYPESCRIPT, "\nexport async function ask", "\n}\n") < 30);
    assert!(lines(BATCH, "\ndef ask", "\nif __name__") < 30);
}
