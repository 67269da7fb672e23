//! A whole installation at a broker that is as ApsaraMQ for RabbitMQ is.

use std::path::Path;

use serde_json::Value;

use super::{operations, site};
use crate::support::apsaramq::{ApsaraMq, Manners};
use crate::support::crossgrant;
use crate::support::postgres::Cluster;
use crate::support::process::{LIMIT, Process};
use crate::support::rabbit::Rabbit;
use crate::support::site::{Options, Site, another, job, until};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Submits a job as a command of a requester, and waits for its end, which must be a good one.
fn submit(site: &Site, config: &Path, id: &str, instance: &str) {
    let file = config.with_file_name(format!("{id}.json"));
    std::fs::write(&file, job(id, "grant", instance).to_string()).unwrap();
    let arguments = ["--config", config.to_str().unwrap(), "submit", file.to_str().unwrap(), "--wait"];
    let submit = Process::start("submit", crossgrant(), &arguments);
    let status = submit.end(LIMIT).expect("it ends");
    assert!(status.success(), "{:#?}", submit.lines());
    assert_eq!(operations(site, instance), [super::GRANT]);
}

#[test]
fn at_apsaramq_one_of_two_workers_consumes_and_only_signed_jobs_are_believed() {
    let database = Cluster::shared().database();
    let site = site(&Options { more: 4, database: Some(&database), ..Options::default() });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let manners = Manners { declares: 30, ..Manners::default() };
    let proxy = runtime.block_on(ApsaraMq::before(site.rabbit.address(), manners));
    let text = std::fs::read_to_string(site.config()).unwrap();
    let written = format!("url = \"{}\"\n", site.rabbit.url_of("crossgrant-worker"));
    assert!(text.contains(&written));
    let of = |url: String| {
        let broker = format!("url = {:?}\nkind = \"apsaramq\"\ndeclare = true\n", proxy.url(&url));
        let signs = format!("[[broker.requester]]\nname = {:?}\nkey = {KEY:?}\n", Rabbit::USER);
        format!("{}{signs}", text.replace(&written, &broker))
    };
    let submits = Path::new(site.config()).with_file_name("submit.toml");
    std::fs::write(&submits, of(site.rabbit.amqp_url())).unwrap();
    std::fs::write(site.config(), of(site.rabbit.url_of("crossgrant-worker"))).unwrap();

    let one = site.worker();
    let two = site.colleague("two");
    submit(&site, &submits, "signed", &another(0));
    let jobs = format!("{}.jobs\t", site.mail.prefix());
    let consumers = || {
        let queues = site.rabbit.ctl(&["list_queues", "-q", "--no-table-headers", "name", "consumers"]).unwrap();
        queues.lines().find_map(|line| line.strip_prefix(&jobs).map(str::to_owned))
    };
    assert_eq!(consumers().as_deref(), Some("1"), "the other waits");

    // Its user_id is that of an allowed requester, and this broker says nothing of that.
    site.mail.submit(&job("unsigned", "grant", &another(1)));
    let end: Value = site.mail.end("unsigned");
    assert_eq!((&end["type"], &end["data"]["reason"]), (&"crossgrant.job.failed".into(), &"refused-by-policy".into()));
    assert_eq!(operations(&site, &another(1)), [""; 0]);

    one.process.kill9();
    submit(&site, &submits, "after", &another(2));
    until("the other consumes", || (consumers().as_deref() == Some("1")).then_some(()));
    two.until_ready(true);
}
