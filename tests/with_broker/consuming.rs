//! The way in.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_is_acknowledged_and_a_clean_stop_leaves_nothing_behind() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    consuming.connected().await;
    submit(&settings, 0..1000).await;
    journal.has(1000).await;
    let state = consuming.state.clone();
    let report = consuming.stop().await;
    assert_eq!(report, ConsumeReport { sessions: 1, taken: 1000, clean: true });
    assert_eq!(depth(&rabbit, &settings.topology.jobs_queue()).await, 0);
    assert_eq!(journal.ids(), ids(0..1000));
    assert_eq!((state.counts().delivered, state.counts().acked), (1000, 1000));
    assert!(journal.batches.lock().unwrap().len() < 1000, "many deliveries share one commit");
    assert_eq!(state.consuming().link, Link::Down);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_takes_what_was_already_delivered() {
    let rabbit = shared_rabbit();
    let settings = BrokerSettings { batch: 10, ..settings(&rabbit) };
    let journal = Journal::new(true);
    journal.gate.forget_permits(Semaphore::MAX_PERMITS);
    let consuming = Consuming::start(&settings, &journal);
    consuming.connected().await;
    submit(&settings, 0..50).await;
    // The first batch hangs in the store; the rest is prefetched.
    soon("the first delivery", async {
        while consuming.state.counts().delivered == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    consuming.stop.send_replace(true);
    journal.gate.add_permits(100);
    let report = consuming.stop().await;
    assert!(report.clean);
    let left = depth(&rabbit, &settings.topology.jobs_queue()).await;
    assert_eq!(u64::from(left) + report.taken, 50);
    assert_eq!(journal.taken.borrow().len() as u64, report.taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_written_loses_nothing_and_burns_no_delivery() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    consuming.connected().await;
    journal.writable.send_replace(false);
    submit(&settings, 0..300).await;
    let held = consuming.is("held", |status| matches!(status.link, Link::Held { .. })).await;
    assert_eq!(held.link, Link::Held { reason: "disk full".into() });
    assert_eq!(consuming.state.counts().acked, 0);
    journal.writable.send_replace(true);
    journal.has(300).await;
    consuming.connected().await;
    assert_eq!(consuming.state.counts().redelivered, 0, "held, not returned");
    let report = consuming.stop().await;
    assert_eq!(report, ConsumeReport { sessions: 1, taken: 300, clean: true });
    assert_eq!(depth(&rabbit, &settings.topology.jobs_queue()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_held_too_long_are_given_back_once_and_come_again() {
    let rabbit = shared_rabbit();
    let settings = BrokerSettings { hold: Duration::from_millis(50), ..settings(&rabbit) };
    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    consuming.connected().await;
    journal.writable.send_replace(false);
    submit(&settings, 0..20).await;
    let status = consuming
        .is("waiting for the store", |status| status.link == Link::Held { reason: "waiting for the store".into() })
        .await;
    assert!(status.last_error.unwrap().contains("given back"));
    let sessions = consuming.state.counts().consumer_sessions;
    assert_eq!(sessions, 1, "no new session before the store can be written");
    journal.writable.send_replace(true);
    journal.has(20).await;
    assert_eq!(journal.ids(), ids(0..20));
    assert!(consuming.stop().await.clean);
    assert_eq!(depth(&rabbit, &settings.topology.jobs_queue()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_the_store_is_away_gives_the_messages_back() {
    let rabbit = shared_rabbit();
    let settings = BrokerSettings { drain: Duration::from_millis(50), ..settings(&rabbit) };
    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    consuming.connected().await;
    journal.writable.send_replace(false);
    submit(&settings, 0..5).await;
    consuming.is("held", |status| matches!(status.link, Link::Held { .. })).await;
    let report = consuming.stop().await;
    assert_eq!((report.taken, report.clean), (0, false));

    journal.writable.send_replace(true);
    let again = Consuming::start(&settings, &journal);
    journal.has(5).await;
    assert!(again.stop().await.clean);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_arrives_with_its_properties_and_any_size() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    consuming.connected().await;
    let mut submitter = Submitter::connect(Arc::new(settings.clone())).await.unwrap();
    let body = Bytes::from(vec![b' '; 200 * 1024]);
    let job = Submission {
        routing_key: "job.payer-change".into(),
        message_id: "NET-1/1".into(),
        correlation_id: Some("c".into()),
        reply_to: Some("r".into()),
        app_id: Some("a".into()),
        traceparent: Some("00-1".into()),
        body: body.clone(),
    };
    submitter.submit(&job).await.unwrap();
    journal.has(1).await;
    let expected = Incoming {
        body,
        routing_key: "job.payer-change".into(),
        redelivered: false,
        message_id: Some("NET-1/1".into()),
        correlation_id: Some("c".into()),
        reply_to: Some("r".into()),
        user_id: Some("crossgrant".into()),
        app_id: Some("a".into()),
        content_type: Some("application/json".into()),
        traceparent: Some("00-1".into()),
    };
    assert_eq!(*journal.taken.borrow(), [expected]);
    consuming.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_accepts_and_another_takes_over() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let (one, two) = (Journal::new(true), Journal::new(true));
    let first = Consuming::start(&settings, &one);
    first.connected().await;
    let second = Consuming::start(&settings, &two);
    second.connected().await;
    submit(&settings, 0..100).await;
    one.has(100).await;
    assert!(two.ids().is_empty());
    assert!(first.stop().await.clean);
    submit(&settings, 100..200).await;
    two.has(100).await;
    assert_eq!((one.ids(), two.ids()), (ids(0..100), ids(100..200)));
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_differs_is_named_with_what_to_do_and_can_be_used_as_it_is() {
    let rabbit = shared_rabbit();
    let mut settings = settings(&rabbit);
    // A classic queue in the place of the dead queue.
    let (_conn, channel) = channel(&rabbit).await;
    let name = settings.topology.dead_queue();
    let options = QueueDeclareOptions::durable();
    channel.queue_declare(name.as_str().into(), options, FieldTable::default()).await.unwrap();

    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    let error = consuming.is("an error", |status| status.last_error.is_some()).await.last_error.unwrap();
    for part in [name.as_str(), "x-queue-type", "declare = false", "delete it"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    consuming.stop().await;

    // Everything else was declared all the same, so the topology is complete.
    settings.declare = false;
    let consuming = Consuming::start(&settings, &journal);
    consuming.connected().await;
    consuming.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_for_operators_fit_what_the_worker_declares() {
    let rabbit = Rabbit::start(scratch()).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/rabbitmq/definitions.json");
    rabbit.ctl(&["import_definitions", path]).unwrap();
    let settings = BrokerSettings { topology: Topology::new("crossgrant"), ..settings(&rabbit) };
    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    consuming.connected().await;
    submit(&settings, 0..3).await;
    journal.has(3).await;
    assert_eq!(consuming.state.consuming().last_error, None);
    consuming.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_killed_in_mid_consumption_costs_no_message() {
    let rabbit = Arc::new(Rabbit::start(scratch()).unwrap());
    let settings = settings(&rabbit);
    let journal = Journal::new(true);
    journal.gate.forget_permits(Semaphore::MAX_PERMITS);
    journal.gate.add_permits(3);
    let consuming = Consuming::start(&BrokerSettings { batch: 20, ..settings.clone() }, &journal);
    consuming.connected().await;
    submit(&settings, 0..500).await;
    // Some batches are committed, one hangs in the store with its deliveries unacknowledged.
    soon("three batches", async {
        let mut taken = journal.taken.subscribe();
        let three = || journal.batches.lock().unwrap().len() == 3;
        taken.wait_for(|_| three()).await.unwrap();
    })
    .await;
    rabbit.remember_queues().unwrap();
    rabbit.kill9();
    consuming.is("down", |status| status.link == Link::Down && status.last_error.is_some()).await;
    journal.gate.add_permits(1_000_000);
    tokio::task::spawn_blocking({
        let rabbit = rabbit.clone();
        move || rabbit.restart().unwrap()
    })
    .await
    .unwrap();
    journal.has(500).await;
    assert_eq!(journal.ids(), ids(0..500));
    assert!(consuming.state.counts().redelivered > 0);
    let report = consuming.stop().await;
    assert!(report.sessions >= 2 && report.clean, "{report:?}");
    assert_eq!(depth(&rabbit, &settings.topology.jobs_queue()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_even_be_read_takes_no_good_one_with_it() {
    let rabbit = Arc::new(Rabbit::start(scratch()).unwrap());
    let settings = BrokerSettings { prefetch: 50, ..settings(&rabbit) };
    publisher(&settings).0.publish(&[]).await.unwrap();
    let queue = settings.topology.jobs_queue();
    // A lower limit than that of the queue, since each delivery costs a connection. And a property that is not UTF-8,
    // which the library refuses to send as it refuses to read it.
    let poison = format!(
        "rabbit_basic:publish(rabbit_misc:r(<<\"/\">>, exchange, <<>>), <<\"{queue}\">>, \
         [{{message_id, <<255, 254>>}}, {{delivery_mode, 2}}], <<\"{{}}\">>)."
    );
    rabbit.ctl(&["set_policy", "short", &queue, "{\"delivery-limit\": 4}", "--apply-to", "queues"]).unwrap();
    rabbit.ctl(&["eval", &poison]).unwrap();
    submit(&settings, 0..20).await;
    rabbit.ctl(&["eval", &poison]).unwrap();
    submit(&settings, 20..40).await;
    assert_eq!(depth(&rabbit, &queue).await, 42);

    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    journal.has(40).await;
    assert_eq!(journal.ids(), ids(0..40));
    soon("the dead-letter queue", async {
        while depth(&rabbit, &settings.topology.dead_queue()).await < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // Afterwards it takes as many at once as ever.
    consuming.connected().await;
    journal.batches.lock().unwrap().clear();
    submit(&settings, 40..540).await;
    journal.has(540).await;
    assert!(journal.batches.lock().unwrap().len() < 250, "{:?}", journal.batches.lock().unwrap());
    assert!(consuming.stop().await.clean);
}
