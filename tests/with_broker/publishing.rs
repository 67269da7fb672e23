//! The way out, and the other side of the contract.

use crossgrant::engine::ports::mail::{TIMESTAMP, TYPE};
use lapin::ExchangeKind;
use lapin::options::{ExchangeBindOptions, ExchangeDeclareOptions, QueueBindOptions};
use lapin::types::ShortString;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn submitting_without_a_taker_is_a_clear_error() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let error = Submitter::connect(Arc::new(settings.clone())).await.err().unwrap();
    assert!(matches!(error, BrokerError::Topology { .. }), "{error}");

    publisher(&settings).0.publish(&[]).await.unwrap(); // declares
    let mut submitter = Submitter::connect(Arc::new(settings.clone())).await.unwrap();
    let job = Submission { routing_key: "grant".into(), message_id: "m".into(), ..Submission::default() };
    let error = submitter.submit(&job).await.unwrap_err();
    assert!(matches!(error, BrokerError::NoQueue { .. }), "{error}");
    submitter.submit(&Submission { routing_key: "job.grant".into(), ..job }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_no_queue_takes_is_told_from_the_others_of_its_batch() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let (publisher, state) = publisher(&settings);
    let events = settings.topology.events_exchange();
    let mut tap = EventTap::open(&settings, "job.completed").await.unwrap();
    // The same message id goes to a taken and to an untaken address: the address tells them apart.
    let address = |i: usize| match i % 3 {
        0 => (events.as_str(), "job.completed"),
        1 => (events.as_str(), "job.waiting"),
        _ => ("", "no-such-reply-queue"),
    };
    let batch: Vec<_> = (0..900).map(|i| event(&format!("e{}", i / 3), address(i).0, address(i).1)).collect();
    for _ in 0..5 {
        let verdicts = soon("publish", publisher.publish(&batch)).await.unwrap();
        for (i, verdict) in verdicts.iter().enumerate() {
            let expected = if i % 3 == 0 { Delivered::Confirmed } else { Delivered::Undeliverable };
            assert_eq!(*verdict, expected, "message {i}");
        }
        for i in 0..300 {
            let got = soon("event", tap.next()).await.unwrap();
            assert_eq!(got.message_id, Some(format!("e{i}")));
            assert_eq!(got.traceparent.as_deref(), Some("00-1"));
            assert_eq!(got.correlation_id, Some(format!("c-e{i}")));
        }
    }
    assert_eq!((state.counts().confirmed, state.counts().undeliverable), (1500, 3000));
    assert_eq!(state.counts().publisher_sessions, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_reply_queue_refuses_only_its_own_messages() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let (publisher, _) = publisher(&settings);
    let (_conn, channel) = channel(&rabbit).await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let options = QueueDeclareOptions::exclusive();
    let full = channel.queue_declare("".into(), options, arguments).await.unwrap().name().to_string();
    publisher.publish(&[event("first", "", &full)]).await.unwrap();
    let submitter = Submitter::connect(Arc::new(settings.clone())).await.unwrap();
    let mut replies = submitter.replies().await.unwrap();
    let batch = [event("a", "", &full), event("b", "", replies.name()), event("c", "", "nowhere")];
    let verdicts = soon("publish", publisher.publish(&batch)).await.unwrap();
    assert_eq!(verdicts, [Delivered::Refused, Delivered::Confirmed, Delivered::Undeliverable]);
    assert_eq!(soon("reply", replies.next()).await.unwrap().message_id.as_deref(), Some("b"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_finds_the_broker_again_and_an_idle_one_notices_its_loss() {
    let rabbit = Arc::new(Rabbit::start(scratch()).unwrap());
    let mut settings = settings(&rabbit);
    // The first of the list never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://u:p@{}/%2f", silent.local_addr().unwrap());
    settings.urls.insert(0, SecretString::from(url));
    settings.connect_timeout = Duration::from_secs(1);
    let (publisher, state) = publisher(&settings);
    let publisher = Arc::new(publisher);
    let (stop, stopping) = watch::channel(false);
    let keeping = tokio::spawn({
        let publisher = publisher.clone();
        async move { publisher.stay_connected(stopping).await }
    });
    let mut status = state.watch_publishing(Lane::Events);
    soon("connected", status.wait_for(|s| s.link == Link::Connected)).await.unwrap();
    let message = [event("e", "", &settings.topology.dead_queue())];
    assert_eq!(publisher.publish(&message).await.unwrap(), [Delivered::Confirmed]);

    rabbit.remember_queues().unwrap();
    rabbit.kill9();
    soon("down", status.wait_for(|s| s.link == Link::Down)).await.unwrap();
    assert!(publisher.publish(&message).await.is_err());
    let restarting = rabbit.clone();
    tokio::task::spawn_blocking(move || restarting.restart().unwrap()).await.unwrap();
    soon("connected again", status.wait_for(|s| s.link == Link::Connected)).await.unwrap();
    assert_eq!(publisher.publish(&message).await.unwrap(), [Delivered::Confirmed]);
    assert_eq!(depth(&rabbit, &settings.topology.dead_queue()).await, 2);

    let stopping = rabbit.clone();
    tokio::task::spawn_blocking(move || stopping.stop().unwrap()).await.unwrap();
    soon("down after an orderly stop", status.wait_for(|s| s.link == Link::Down)).await.unwrap();
    stop.send_replace(true);
    soon("the keeper's end", keeping).await.unwrap();
    assert_eq!(state.publishing(Lane::Events).link, Link::Down);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_broker_is_visible_and_publishing_waits_for_it() {
    let rabbit = Rabbit::start(scratch()).unwrap();
    let mut settings = settings(&rabbit);
    settings.confirm_timeout = Duration::from_secs(5);
    let (publisher, state) = publisher(&settings);
    let publisher = Arc::new(publisher);
    let to_dead = [event("e", "", &settings.topology.dead_queue())];
    publisher.publish(&to_dead).await.unwrap();
    rabbit.ctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]).unwrap();
    let publishing = tokio::spawn({
        let (publisher, message) = (publisher.clone(), to_dead.clone());
        async move { publisher.publish(&message).await }
    });
    let mut status = state.watch_publishing(Lane::Events);
    soon("blocked", status.wait_for(|s| matches!(s.link, Link::Blocked { .. }))).await.unwrap();
    assert!(!publishing.is_finished());
    rabbit.ctl(&["set_vm_memory_high_watermark", "absolute", "1GB"]).unwrap();
    assert_eq!(soon("publish", publishing).await.unwrap().unwrap(), [Delivered::Confirmed]);
    assert_eq!(state.publishing(Lane::Events).link, Link::Connected);
    assert_eq!(depth(&rabbit, &settings.topology.dead_queue()).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_a_client_rejects_is_kept() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    publisher(&settings).0.publish(&[]).await.unwrap();
    submit(&settings, 0..1).await;
    let (_conn, channel) = channel(&rabbit).await;
    let take = async |queue: String| {
        let options = BasicConsumeOptions::default();
        channel.basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default()).await.unwrap()
    };
    let mut jobs = take(settings.topology.jobs_queue()).await;
    let poisonous = soon("the job", jobs.next()).await.unwrap().unwrap();
    poisonous.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    let mut dead = take(settings.topology.dead_lettered_queue()).await;
    let rejected = soon("the rejected message", dead.next()).await.unwrap().unwrap();
    assert_eq!(rejected.properties.message_id().as_ref().map(|id| id.as_str()), Some("m00000"));
}

/// A consumer chooses by headers, without reading bodies, and finds what it is and when it was in the properties.
#[tokio::test(flavor = "multi_thread")]
async fn events_have_properties_and_can_be_chosen_by_their_headers() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let (publisher, _) = publisher(&settings);
    publisher.publish(&[]).await.unwrap(); // declares
    let (_conn, channel) = channel(&rabbit).await;
    let (events, chosen) = (settings.topology.events_exchange(), format!("{}-chosen", settings.topology.prefix()));
    let (transient, none) = (ExchangeDeclareOptions { auto_delete: true, ..Default::default() }, FieldTable::default());
    channel.exchange_declare(chosen.as_str().into(), ExchangeKind::Headers, transient, none.clone()).await.unwrap();
    let bind = ExchangeBindOptions::default();
    channel
        .exchange_bind(chosen.as_str().into(), events.as_str().into(), "job.#".into(), bind, none.clone())
        .await
        .unwrap();
    let queue = channel.queue_declare("".into(), QueueDeclareOptions::exclusive(), none).await.unwrap();
    let mut wanted = FieldTable::default();
    for (name, value) in [("x-match", "all"), ("kind", "grant"), ("requester", "ticketing")] {
        wanted.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    let bind = QueueBindOptions::default();
    channel.queue_bind(queue.name().clone(), chosen.as_str().into(), "".into(), bind, wanted).await.unwrap();

    let of = |id: &str, kind: &str, requester: &str| {
        let mut event = event(id, &events, "job.completed");
        let about =
            [("kind", kind), ("requester", requester), (TYPE, "crossgrant.job.completed"), (TIMESTAMP, "1764403200")];
        event.headers.extend(about.map(|(name, value)| (name.to_owned(), value.to_owned())));
        event
    };
    let batch = [of("a", "revoke", "ticketing"), of("b", "grant", "ticketing"), of("c", "grant", "bot")];
    soon("publish", publisher.publish(&batch)).await.unwrap();
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let mut consumer =
        channel.basic_consume(queue.name().clone(), "".into(), options, FieldTable::default()).await.unwrap();
    let delivery = soon("event", consumer.next()).await.unwrap().unwrap();
    let properties = delivery.properties;
    let text = |text: &Option<ShortString>| text.as_ref().map(ToString::to_string);
    assert_eq!(text(properties.message_id()).as_deref(), Some("b"), "the first that is bound is the only one");
    assert_eq!(text(properties.kind()).as_deref(), Some("crossgrant.job.completed"));
    assert_eq!(text(properties.app_id()).as_deref(), Some("crossgrant"));
    assert_eq!(*properties.timestamp(), Some(1_764_403_200));
    let headers: BTreeSet<String> = properties.headers().iter().flatten().map(|(name, _)| name.to_string()).collect();
    assert_eq!(headers, ["kind", "requester", "traceparent"].map(str::to_owned).into(), "properties are no headers");
    let depth = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::exclusive() };
    let left = channel.queue_declare(queue.name().clone(), depth, FieldTable::default()).await.unwrap();
    assert_eq!(left.message_count(), 0, "the others went elsewhere");
}
