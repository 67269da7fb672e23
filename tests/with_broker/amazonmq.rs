//! A broker under what Amazon MQ for RabbitMQ puts over RabbitMQ, by its page *Broker defaults*: in the default vhost, policies of
//! its own and limits. Here they are those of a vhost of the test, on the node itself, with small numbers.

use crossgrant::broker::{BrokerKind, Inspected, inspect};
use crossgrant::domain::Code;

use super::*;

/// A vhost with the defaults of a cluster. It is gone when this is dropped.
struct Vhost {
    rabbit: Arc<Rabbit>,
    name: String,
}

impl Vhost {
    /// A vhost whose queues hold `length` messages, and how to connect to it.
    fn with(rabbit: &Arc<Rabbit>, length: u32) -> (Self, BrokerSettings) {
        let own = settings(rabbit);
        let vhost = Self { rabbit: Arc::clone(rabbit), name: own.topology.prefix().to_owned() };
        rabbit.ctl(&["add_vhost", &vhost.name]).unwrap();
        rabbit.ctl(&["set_permissions", "-p", &vhost.name, Rabbit::USER, ".*", ".*", ".*"]).unwrap();
        let of = |more: &str| format!("{{\"max-length\":{length},\"overflow\":\"reject-publish\"{more}}}");
        let set = |name: &str, priority: &str, definition: String| {
            let of = vhost.name.as_str();
            rabbit.ctl(&["set_policy", "-p", of, "--priority", priority, "--apply-to", "all", name, ".*", &definition])
        };
        // One with mirrors does not apply to quorum queues, which have one of their own; 4 refuses it.
        let mirrored = ",\"queue-mode\":\"lazy\",\"ha-mode\":\"all\",\"ha-sync-mode\":\"automatic\"";
        let _ = set("AWS-DEFAULT-POLICY-CLUSTER-MULTI-AZ", "1", of(mirrored));
        set("AWS-DEFAULT-QUORUM-QUEUES-POLICY-CLUSTER-MULTI-AZ", "0", of("")).unwrap();
        let url = rabbit.amqp_url();
        let (front, _) = url.rsplit_once('/').unwrap();
        let urls = vec![SecretString::from(format!("{front}/{}", vhost.name))];
        let topology = Topology::new(own.topology.prefix()).at(BrokerKind::AmazonMq);
        (vhost, BrokerSettings { urls, topology, ..own })
    }

    fn limit(&self, limits: &str) {
        self.rabbit.ctl(&["set_vhost_limits", "-p", &self.name, limits]).unwrap();
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        let _ = self.rabbit.ctl(&["delete_vhost", &self.name]);
    }
}

/// *Broker defaults*: a queue that has its `max-length` rejects what is published, and keeps what it has.
#[tokio::test(flavor = "multi_thread")]
async fn under_the_default_policies_a_full_queue_refuses_and_what_it_took_comes_to_the_worker() {
    let rabbit = shared_rabbit();
    let (_vhost, settings) = Vhost::with(&rabbit, 5);
    publisher(&settings).0.publish(&[]).await.unwrap(); // declares
    let found = inspect(&settings).await.unwrap();
    assert!(found.iter().all(|(.., how)| *how == Inspected::AsWanted), "{found:?}");

    let mut submitter = soon("connect", Submitter::connect(Arc::new(settings.clone()))).await.unwrap();
    let (mut taken, mut refused) = (BTreeSet::new(), 0);
    for n in 0..30 {
        match soon("submit", submitter.submit_all(&jobs(n..n + 1))).await.unwrap().as_slice() {
            [Delivered::Confirmed] => {
                taken.insert(format!("m{n:05}"));
            }
            [Delivered::Refused] => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    submitter.close().await;
    assert!(refused > 0 && taken.len() >= 5, "{refused} {taken:?}");

    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    journal.has(taken.len()).await;
    assert_eq!(journal.ids(), taken, "none is dropped for another one");
    assert!(journal.taken.borrow().iter().all(|taken| taken.dead_lettered.is_none()));
    submit(&settings, 30..32).await;
    journal.has(taken.len() + 2).await;
    assert!(consuming.stop().await.clean);
}

/// *Broker defaults*: `max-queues` and `max-connections`, 500 each on the smallest instance.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_the_vhost_is_told_for_what_it_is() {
    let rabbit = shared_rabbit();
    let (vhost, settings) = Vhost::with(&rabbit, 1000);
    vhost.limit("{\"max-queues\": 2}");
    let error = soon("declare", publisher(&settings).0.publish(&[])).await.unwrap_err().to_string();
    assert!(error.contains("there is no room for queue") && error.contains("raise its limit `max-queues`"), "{error}");
    assert!(!error.contains("[broker] kind"), "{error}");

    vhost.limit("{\"max-connections\": 0}");
    let error = soon("connect", inspect(&settings)).await.unwrap_err();
    assert_eq!(error.code(), Code::BrokerLimit, "{error}");
    assert!(error.to_string().contains("takes no more connections"), "{error}");

    // What is raised is used without a restart.
    vhost.limit("{\"max-connections\": -1, \"max-queues\": -1}");
    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    consuming.connected().await;
    submit(&settings, 0..3).await;
    journal.has(3).await;
    assert!(consuming.stop().await.clean);
}
