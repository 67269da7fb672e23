//! A broker that is as ApsaraMQ for RabbitMQ says of itself, and one that RabbitMQ lets anybody write any `user_id` to.

use std::sync::atomic::AtomicUsize;

use crossgrant::broker::{BrokerKind, Inspected, Senders, Signer, inspect};
use crossgrant::domain::Requester;
use lapin::options::ConfirmSelectOptions;

use super::*;
use crate::support::apsaramq::{ApsaraMq, Manners};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A worker of this kind of broker, in front of which the proxy is.
async fn behind(rabbit: &Rabbit, manners: Manners, kind: BrokerKind) -> (ApsaraMq, BrokerSettings) {
    let proxy = ApsaraMq::before(rabbit.address(), manners).await;
    let own = settings(rabbit);
    let urls = vec![SecretString::from(proxy.url(&rabbit.amqp_url()))];
    let topology = Topology::new(own.topology.prefix()).at(kind);
    (proxy, BrokerSettings { urls, topology, ..own })
}

/// Consumes, takes three jobs, and publishes an event.
async fn works(rabbit: &Rabbit, settings: &BrokerSettings) {
    let journal = Journal::new(true);
    let consuming = Consuming::start(settings, &journal);
    consuming.connected().await;
    submit(settings, 0..3).await;
    journal.has(3).await;
    assert_eq!(consuming.state.consuming().last_error, None);
    let (publisher, _) = publisher_of(Lane::Replies, settings);
    let copy = [event("copy", "", &settings.topology.dead_queue())];
    assert_eq!(soon("publish", publisher.publish(&copy)).await.unwrap(), [Delivered::Confirmed]);
    assert!(consuming.stop().await.clean);
    assert_eq!(depth(rabbit, &settings.topology.jobs_queue()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_declares_only_what_its_kind_of_broker_knows() {
    let rabbit = shared_rabbit();
    for refuses in [true, false] {
        let (_proxy, settings) = behind(&rabbit, Manners { refuses, ..Manners::default() }, BrokerKind::ApsaraMq).await;
        works(&rabbit, &settings).await;
        let found = inspect(&settings).await.unwrap();
        assert!(found.iter().all(|(.., how)| *how == Inspected::AsWanted), "{found:?}");
    }
}

/// Neither is a worker left in the belief that it has what it has asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_of_another_kind_than_configured_is_noticed() {
    let rabbit = shared_rabbit();
    let (_proxy, settings) = behind(&rabbit, Manners::default(), BrokerKind::RabbitMq).await;
    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    let error = consuming.is("an error", |status| status.last_error.is_some()).await.last_error.unwrap();
    let says = format!("does not make queue {} with what kind = \"rabbitmq\" offers", settings.topology.jobs_queue());
    assert!(error.contains(&says) && error.contains("`[broker] kind`"), "{error}");
    consuming.stop().await;

    let (_proxy, settings) =
        behind(&rabbit, Manners { refuses: false, ..Manners::default() }, BrokerKind::RabbitMq).await;
    publisher(&settings).0.publish(&[]).await.unwrap(); // declares
    let found = inspect(&settings).await.unwrap();
    let jobs = found.iter().find(|(_, name, _)| *name == settings.topology.jobs_queue()).unwrap();
    assert_eq!(jobs.2, Inspected::Ignored);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_declares_are_made_again_later() {
    let rabbit = shared_rabbit();
    let (_proxy, settings) = behind(&rabbit, Manners { declares: 5, ..Manners::default() }, BrokerKind::ApsaraMq).await;
    works(&rabbit, &settings).await;
}

/// The store is away for many times as long as the broker waits for an acknowledgement. A worker that holds its deliveries for
/// longer than that has each of them delivered until the broker gives it up.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_for_long_has_no_job_dead_lettered() {
    let rabbit = shared_rabbit();
    let manners = Manners { redelivery: Duration::from_millis(400), deliveries: 4, ..Manners::default() };
    for (hold, given_up) in [(Duration::from_secs(1200), 5), (manners.redelivery * 2 / 3, 0)] {
        let (_proxy, settings) = behind(&rabbit, manners, BrokerKind::ApsaraMq).await;
        let settings = BrokerSettings { hold, ..settings };
        let journal = Journal::new(true);
        let consuming = Consuming::start(&settings, &journal);
        consuming.connected().await;
        journal.writable.send_replace(false);
        submit(&settings, 0..5).await;
        let kept = settings.topology.dead_lettered_queue();
        let away = async {
            SystemClock.sleep(manners.redelivery * (manners.deliveries + 3)).await;
            while depth(&rabbit, &kept).await < given_up {
                tokio::task::yield_now().await;
            }
        };
        soon("what the broker gives up", away).await;
        assert_eq!(depth(&rabbit, &kept).await, given_up, "held for {hold:?}");
        journal.writable.send_replace(true);
        if given_up == 0 {
            journal.has(5).await;
            assert!(journal.taken.borrow().iter().all(|taken| taken.dead_lettered.is_none()));
        }
        consuming.stop().await;
    }
}

/// One of several workers that share a store.
struct Colleague {
    number: usize,
    journal: Arc<Journal>,
    leader: Arc<AtomicUsize>,
}

#[async_trait]
impl Intake for Colleague {
    async fn take(&self, batch: Vec<Incoming>) -> Result<(), IntakeError> {
        self.journal.take(batch).await
    }

    async fn ready(&self) {
        self.journal.ready().await;
    }

    async fn lead(&self) -> bool {
        match self.leader.compare_exchange(0, self.number, SeqCst, SeqCst) {
            Ok(_) => true,
            Err(leader) => leader == self.number,
        }
    }

    async fn resign(&self) {
        let _ = self.leader.compare_exchange(self.number, 0, SeqCst, SeqCst);
    }
}

/// Without a single active consumer the broker would give every second message to the other.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_workers_one_takes_all_and_the_other_goes_on_in_order() {
    let rabbit = shared_rabbit();
    let (_proxy, settings) = behind(&rabbit, Manners::default(), BrokerKind::ApsaraMq).await;
    // Few at a time, so that the first is lost with deliveries that it has not taken.
    let settings = BrokerSettings { batch: 4, prefetch: 8, ..settings };
    let (journal, leader) = (Journal::new(true), Arc::new(AtomicUsize::new(0)));
    let start = |number| {
        let colleague = Colleague { number, journal: Arc::clone(&journal), leader: Arc::clone(&leader) };
        Consuming::into(&settings, Arc::new(colleague))
    };
    let first = start(1);
    soon("the first leads", async {
        while first.state.counts().consumer_sessions == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let second = start(2);
    second.connected().await;
    submit(&settings, 0..20).await;
    journal.has(20).await;
    assert_eq!((first.state.counts().delivered, second.state.counts().delivered), (20, 0));

    // The first is taken the lead from, as by a database that has lost it, in the middle of its work.
    journal.gate.forget_permits(Semaphore::MAX_PERMITS);
    journal.gate.add_permits(2);
    submit(&settings, 20..60).await;
    journal.has(22).await;
    leader.store(2, SeqCst);
    journal.gate.add_permits(1_000_000);
    journal.has(60).await;
    let order: Vec<String> = journal.taken.borrow().iter().filter_map(|taken| taken.message_id.clone()).collect();
    let mut firsts: Vec<&String> = Vec::new();
    for id in &order {
        if !firsts.contains(&id) {
            firsts.push(id);
        }
    }
    assert!(firsts.is_sorted(), "{order:?}");
    assert!(second.state.counts().delivered > 0);
    assert!(second.stop().await.clean);
    // It resigns with its end, and the first is there again.
    submit(&settings, 60..61).await;
    journal.has(61).await;
    assert!(first.stop().await.clean);
}

/// At a broker where anybody can write any name, only what is signed is believed.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_id_is_not_believed_where_the_broker_does_not_verify_it() {
    let rabbit = shared_rabbit();
    let (_proxy, own) = behind(&rabbit, Manners::default(), BrokerKind::ApsaraMq).await;
    let user = format!("liar-{}", own.topology.prefix());
    rabbit.ctl(&["add_user", &user, &user]).unwrap();
    rabbit.ctl(&["set_user_tags", &user, "impersonator"]).unwrap();
    rabbit.ctl(&["set_permissions", "-p", "/", &user, ".*", ".*", ".*"]).unwrap();
    let tickets = Requester::parse("tickets").unwrap();
    let keys = BTreeMap::from([(tickets.clone(), vec![SecretString::from(KEY)])]);
    let senders = Senders::BySignature { keys, within: Duration::from_secs(86_400) };
    let believing = BrokerSettings { senders: Senders::ByUserId, ..own.clone() };
    let careful = BrokerSettings { senders, ..own };
    publisher(&careful).0.publish(&[]).await.unwrap(); // declares

    // The same message twice: once to a worker that believes the broker, once to one that does not.
    let taken = async |settings: &BrokerSettings, count: usize| {
        let journal = Journal::new(true);
        let consuming = Consuming::start(settings, &journal);
        soon("the messages", journal.taken.subscribe().wait_for(|taken| taken.len() >= count)).await.unwrap();
        consuming.stop().await;
        let why = |taken: &Incoming| taken.unproven.as_ref().map(|fault| fault.message.clone());
        let known = |taken: &Incoming| (taken.user_id.clone(), why(taken));
        journal.taken.borrow().iter().map(known).collect::<Vec<_>>()
    };
    let lie = async || {
        let url = format!("amqp://{user}:{user}@{}/%2f", rabbit.address());
        let conn = lapin::Connection::connect(&url, lapin::ConnectionProperties::default()).await.unwrap();
        let channel = conn.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let lie = BasicProperties::default().with_user_id("tickets".into()).with_message_id("lie".into());
        let (exchange, options) = (careful.topology.jobs_exchange(), BasicPublishOptions::default());
        let sent = channel.basic_publish(exchange.into(), "job.grant".into(), options, b"{}", lie).await.unwrap();
        assert!(sent.await.unwrap().is_ack());
    };
    lie().await;
    assert_eq!(taken(&believing, 1).await, [(Some("tickets".into()), None)], "this broker lets it pass");
    lie().await;
    assert_eq!(taken(&careful, 1).await, [(None, None)]);

    // Only a signature with the key of the requester is believed.
    for (key, proven) in [(KEY, true), ("another key, which the worker does not have", false)] {
        let signer = Some(Signer { requester: tickets.clone(), key: key.into() });
        submit(&BrokerSettings { signer, ..careful.clone() }, 0..1).await;
        let known = taken(&careful, 1).await.remove(0);
        match proven {
            true => assert_eq!(known, (Some("tickets".into()), None)),
            false => assert!(
                known.0.is_none() && known.1.as_ref().is_some_and(|why| why.contains("would sign")),
                "{known:?}"
            ),
        }
    }
    rabbit.ctl(&["delete_user", &user]).unwrap();
}
