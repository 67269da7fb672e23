use crossgrant::broker::{Inspected, inspect};
use crossgrant::domain::Code;

use super::*;
use crate::support::crossgrant;
use crate::support::process::{LIMIT, Process};

/// How each is, by the last part of its name.
async fn found(settings: &BrokerSettings) -> BTreeMap<String, Inspected> {
    let prefix = settings.topology.prefix().len();
    let found = inspect(settings).await.unwrap();
    found.into_iter().map(|(what, name, how)| (format!("{what} {}", &name[prefix..]), how)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inspection_tells_what_is_missing_and_what_differs_and_makes_nothing() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    for _ in 0..2 {
        let found = found(&settings).await;
        assert_eq!(found.len(), 8);
        assert!(found.values().all(|how| *how == Inspected::Missing), "the first look made something: {found:?}");
    }
    let (_conn, channel) = channel(&rabbit).await;
    let dead = settings.topology.dead_queue();
    channel.queue_declare(dead.as_str().into(), QueueDeclareOptions::durable(), FieldTable::default()).await.unwrap();
    // A queue of jobs with another limit, and what was meant to be a topic.
    let mut arguments = FieldTable::default();
    for (key, value) in [
        ("x-queue-type", AMQPValue::LongString("quorum".into())),
        ("x-single-active-consumer", AMQPValue::Boolean(true)),
        ("x-delivery-limit", AMQPValue::LongLongInt(7)),
    ] {
        arguments.insert(key.into(), value);
    }
    let jobs = settings.topology.jobs_queue();
    channel.queue_declare(jobs.as_str().into(), QueueDeclareOptions::durable(), arguments).await.unwrap();
    let options = lapin::options::ExchangeDeclareOptions { durable: true, ..Default::default() };
    let events = settings.topology.events_exchange();
    let direct = lapin::ExchangeKind::Direct;
    channel.exchange_declare(events.as_str().into(), direct, options, FieldTable::default()).await.unwrap();

    for _ in 0..2 {
        let found = found(&settings).await;
        for (which, word) in
            [("queue .dead", "x-queue-type"), ("queue .jobs", "x-d"), ("exchange .events", "inequivalent arg 'type'")]
        {
            assert!(matches!(&found[which], Inspected::Differs(why) if why.contains(word)), "{which}: {found:?}");
        }
        assert_eq!((&found["exchange "], &found["exchange .dlx"]), (&Inspected::Missing, &Inspected::Missing));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inspection_finds_all_as_wanted_that_a_worker_declared() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    publisher(&settings).0.publish(&[]).await.unwrap(); // declares
    assert!(found(&settings).await.values().all(|how| *how == Inspected::AsWanted));
}

/// The broker closes a channel to say that a queue is missing, and the AMQP library logs that as an error.
#[test]
fn doctor_says_calmly_what_is_missing_and_logs_no_errors() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let store = scratch().join(format!("doctor-{}.db", settings.topology.prefix())).display().to_string();
    let url = rabbit.amqp_url();
    let environment = [
        ("CROSSGRANT_BROKER_URL", url.as_str()),
        ("CROSSGRANT_BROKER_PREFIX", settings.topology.prefix()),
        ("CROSSGRANT_STORE_PATH", &store),
        ("CROSSGRANT_ADMIN_LISTEN", "127.0.0.1:0"),
    ];
    let doctor = Process::start_with("doctor", crossgrant(), &["doctor"], &environment);
    doctor.end(LIMIT).expect("it ends");
    let lines = doctor.lines();
    let missing = lines.iter().filter(|line| line.contains("broker-topology")).collect::<Vec<_>>();
    let says = format!("has none of the exchanges and queues of {:?} yet", settings.topology.prefix());
    assert!(missing.len() == 1 && missing[0].contains(&says), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("ERROR") || line.contains("lapin")), "{lines:#?}");
}

/// What the first look of a command says to a user that the broker does not let in.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_is_not_let_in_is_told_why() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let address = rabbit.address();
    let refused = async |url: String| {
        let settings = BrokerSettings { urls: vec![SecretString::from(url)], ..settings.clone() };
        let error = soon("the refusal", inspect(&settings)).await.unwrap_err();
        assert!(!error.to_string().contains("wrong-one"), "{error}");
        (error.code(), error.to_string())
    };
    let user = Rabbit::USER;
    for (url, code, says) in [
        (
            format!("amqp://{user}:wrong-one@{address}/%2f"),
            Code::BrokerLogin,
            format!("the user {user:?} or its password"),
        ),
        (
            format!("amqp://{user}:{user}@{address}/nosuch"),
            Code::BrokerVhost,
            "the vhost \"nosuch\" is not there".into(),
        ),
        (format!("amqp://{user}:{user}@{address}/"), Code::BrokerVhost, "the vhost \"\" is not there".into()),
        ("amqp://u:wrong-one@127.0.0.1:1/%2f".into(), Code::BrokerUnreachable, "127.0.0.1:1: ".into()),
    ] {
        let (found, error) = refused(url).await;
        assert!(found == code && error.contains(&says), "{code}: {found} {error}");
    }
}

/// One thing is wrong, and it is said once.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_before_the_first_worker_is_told_once_that_nothing_is_there() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let error = soon("connect", Submitter::connect(Arc::new(settings.clone()))).await.err().unwrap().to_string();
    assert!(error.contains("has none of those of"), "{error}");
    assert_eq!(error.matches("start a worker").count(), 1, "{error}");
    let (_conn, channel) = channel(&rabbit).await;
    let dead = settings.topology.dead_queue();
    channel.queue_declare(dead.as_str().into(), QueueDeclareOptions::durable(), FieldTable::default()).await.unwrap();
    let error = soon("connect", Submitter::connect(Arc::new(settings.clone()))).await.err().unwrap().to_string();
    assert!(error.contains(&format!("queue {},", settings.topology.dead_lettered_notices())), "{error}");
    assert!(!error.contains(&format!("queue {dead},")) && error.matches("start a worker").count() == 1, "{error}");
}
