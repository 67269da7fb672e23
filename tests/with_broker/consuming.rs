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
async fn a_message_arrives_with_its_properties_and_of_a_large_body_the_beginning() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    consuming.connected().await;
    let (_conn, channel) = channel(&rabbit).await;
    let mut headers = FieldTable::default();
    headers.insert("traceparent".into(), AMQPValue::LongString("00-1".into()));
    let properties = BasicProperties::default()
        .with_message_id("NET-1/1".into())
        .with_correlation_id("c".into())
        .with_reply_to("r".into())
        .with_user_id("crossgrant".into())
        .with_app_id("a".into())
        .with_content_type("application/json".into())
        .with_content_encoding("gzip".into())
        .with_type("grant".into())
        .with_timestamp(1_700_000_000)
        .with_priority(3)
        .with_headers(headers);
    let body: Vec<u8> = (0..=255).cycle().take(3 << 20).collect();
    let exchange = settings.topology.jobs_exchange();
    let options = BasicPublishOptions::default();
    channel.basic_publish(exchange.into(), "job.payer-change".into(), options, &body, properties).await.unwrap();
    journal.has(1).await;
    let expected = Incoming {
        whole: Some(WholeBody::of(&body)),
        body: Bytes::from(body).slice(..64 << 10),
        routing_key: "job.payer-change".into(),
        redelivered: false,
        message_id: Some("NET-1/1".into()),
        correlation_id: Some("c".into()),
        reply_to: Some("r".into()),
        user_id: Some("crossgrant".into()),
        app_id: Some("a".into()),
        content_type: Some("application/json".into()),
        content_encoding: Some("gzip".into()),
        kind: Some("grant".into()),
        timestamp: Some(1_700_000_000),
        priority: Some(3),
        traceparent: Some("00-1".into()),
        unreadable: vec![],
        dead_lettered: None,
        unproven: None,
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
    let submitter = Submitter::connect(Arc::new(settings.clone())).await.unwrap();
    // Of a queue with a single active consumer the broker tells only of that one.
    assert_eq!(submitter.consumers().await, Some(1));
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
async fn a_message_that_the_library_cannot_read_arrives_and_takes_no_other_with_it() {
    let good = [b"S", &*long(b"00-1")].concat();
    let good = [&*short(b"traceparent"), &good].concat();
    let beside = [&[0x20, 0], &*long(&[&*short(b"\xff"), b"V", &good].concat())].concat();
    // What no client library sends, and RabbitMQ takes; and what cannot be read of it.
    let odd: [(&[u8], Vec<u8>, &str); 6] = [
        (b"job.grant", [&[0, 0x80], &*short(b"\xff\xfe\xfd")].concat(), "message_id"),
        (b"job.grant", [&[6, 0], &*short(b"\xc3"), &short(b"\x80\x80")].concat(), "correlation_id reply_to"),
        (b"job.\xff", vec![0, 0], "routing_key"),
        (b"job.grant", beside, "headers"),
        (b"job.grant", header(b"deep", &nested(20_000)), "headers"),
        (b"job.grant", header(b"many", &[b"A", &*long(&[b'V'; 100_000])].concat()), "headers"),
    ];
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    publisher(&settings).0.publish(&[]).await.unwrap();
    let (exchange, queue) = (settings.topology.jobs_exchange(), settings.topology.jobs_queue());
    let mut all = 0;
    for (n, (key, properties, _)) in odd.iter().enumerate() {
        submit(&settings, n * 10..n * 10 + 10).await;
        raw_amqp::publish(&rabbit, &exchange, key, properties, b"{}");
        all += 11;
    }
    soon("all are in the queue", async {
        while depth(&rabbit, &queue).await < all {
            tokio::task::yield_now().await;
        }
    })
    .await;

    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    journal.has(60).await;
    soon("the odd ones", journal.taken.subscribe().wait_for(|taken| taken.len() == all as usize)).await.unwrap();
    let taken = journal.taken.borrow().clone();
    let unreadable: Vec<String> =
        taken.iter().filter(|m| !m.unreadable.is_empty()).map(|m| m.unreadable.join(" ")).collect();
    assert_eq!(unreadable, odd.map(|(_, _, unreadable)| unreadable));
    let ids: BTreeSet<&str> = taken.iter().filter_map(|m| m.message_id.as_deref()).collect();
    assert!(ids.contains("\\xff\\xfe\\xfd"), "{ids:?}");
    assert!(taken.iter().any(|m| m.routing_key == "job.\\xff"));
    assert_eq!(taken.iter().filter(|m| m.traceparent.is_some()).count(), 1, "the header beside the bad one");
    let counts = consuming.state.counts();
    assert_eq!((counts.consumer_sessions, counts.redelivered), (1, 0), "none costs another a delivery");
    let report = consuming.stop().await;
    assert!(report.clean && report.taken == u64::from(all), "{report:?}");
}

/// A job that the broker gives up: it expires before a worker is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_broker_gives_up_is_kept_and_told_and_can_be_put_back() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    publisher(&settings).0.publish(&[]).await.unwrap();
    let (_conn, channel) = channel(&rabbit).await;
    let (exchange, kept) = (settings.topology.jobs_exchange(), settings.topology.dead_lettered_queue());
    for n in 0..3 {
        let properties = BasicProperties::default()
            .with_message_id(format!("m{n:05}").into())
            .with_user_id("crossgrant".into())
            .with_reply_to("answers".into())
            .with_delivery_mode(2)
            .with_expiration("1".into());
        let (exchange, options) = (exchange.as_str().into(), BasicPublishOptions::default());
        channel.basic_publish(exchange, "job.grant".into(), options, b"{}", properties).await.unwrap();
    }
    soon("they have expired", async {
        while depth(&rabbit, &kept).await < 3 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(depth(&rabbit, &settings.topology.dead_queue()).await, 0, "only copies of the worker are there");

    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    journal.has(3).await;
    for incoming in journal.taken.borrow().iter() {
        assert_eq!(incoming.dead_lettered, Some(DeadLettered { reason: "expired".into() }));
        assert_eq!((incoming.user_id.as_deref(), incoming.reply_to.as_deref()), (Some("crossgrant"), Some("answers")));
        assert_eq!(incoming.routing_key, "job.grant");
    }
    assert_eq!((consuming.state.dead_lettered(), consuming.state.counts().dead_lettered), (3, 3));
    assert!(consuming.stop().await.clean);
    assert_eq!(depth(&rabbit, &settings.topology.dead_lettered_notices()).await, 0);

    assert_eq!(count_dead_lettered(&settings).await.unwrap(), 3, "telling moves none");
    assert_eq!(put_back(&settings, 2).await.unwrap().moved, 2);
    soon("two are where jobs come in", async {
        while depth(&rabbit, &settings.topology.jobs_queue()).await < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(put_back(&settings, 100).await.unwrap().moved, 1);
    assert_eq!(put_back(&settings, 100).await.unwrap().moved, 0);
    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    journal.has(3).await;
    for incoming in journal.taken.borrow().iter() {
        assert_eq!((incoming.dead_lettered.as_ref(), incoming.user_id.as_deref()), (None, Some("crossgrant")));
        assert_eq!(incoming.routing_key, "job.grant");
    }
    assert_eq!(journal.taken.borrow()[0].message_id.as_deref(), Some("m00000"), "the oldest first");
    consuming.stop().await;
}

/// What was published straight to the queue has the name of the queue as its routing key, and keeps it.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_went_straight_to_the_queue_can_be_put_back_too() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    publisher(&settings).0.publish(&[]).await.unwrap();
    let (_conn, channel) = channel(&rabbit).await;
    let (jobs, kept) = (settings.topology.jobs_queue(), settings.topology.dead_lettered_queue());
    let properties = BasicProperties::default().with_delivery_mode(2).with_expiration("1".into());
    let options = BasicPublishOptions::default();
    channel.basic_publish("".into(), jobs.as_str().into(), options, b"{}", properties).await.unwrap();
    soon("it has expired", async {
        while depth(&rabbit, &kept).await < 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let put = put_back(&settings, 100).await.unwrap();
    assert!(put.moved == 1 && put.unbound.is_empty(), "{put:?}");
    soon("it is where jobs come in", async {
        while depth(&rabbit, &jobs).await < 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_binding_of_the_queue_of_copies_is_taken_away() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    publisher(&settings).0.publish(&[]).await.unwrap();
    let (_conn, channel) = channel(&rabbit).await;
    let (dead, dlx) = (settings.topology.dead_queue(), settings.topology.dlx());
    let bind = channel.queue_bind(
        dead.as_str().into(),
        dlx.as_str().into(),
        "".into(),
        Default::default(),
        Default::default(),
    );
    bind.await.unwrap();
    publisher(&settings).0.publish(&[]).await.unwrap();
    let options = BasicPublishOptions::default();
    let publish =
        channel.basic_publish(dlx.as_str().into(), "job.grant".into(), options, b"{}", BasicProperties::default());
    publish.await.unwrap();
    soon("it is kept", async {
        while depth(&rabbit, &settings.topology.dead_lettered_queue()).await < 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(depth(&rabbit, &dead).await, 0);
}
