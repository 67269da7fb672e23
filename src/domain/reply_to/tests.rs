use super::*;

/// As brokers have written them, 3.10.8 and 4.0.5.
const HONEST: [&str; 1] =
    ["amq.rabbitmq.reply-to.g1h2AA5yZXBseUA5NTI1OTk1NAAAC3YAAAAAYyqLqg==.Ce2FIsKfdvQkqMF1+b8dEw=="];

#[test]
fn answers_go_to_queues_and_to_channels() {
    let named = ["tickets.replies", "amq.gen-Xa2-_9", "amqp.replies", "crossgrant-replies", "Antworten ä"];
    for queue in named.into_iter().chain(HONEST) {
        assert_eq!(reply_to_fault(queue, "crossgrant"), None, "{queue}");
    }
    assert!(is_direct(HONEST[0]) && !is_direct("amq.gen-x") && !is_direct("amq.rabbitmq.reply-to"));
}

#[test]
fn what_the_broker_chokes_on_is_refused() {
    let honest = HONEST[0].strip_prefix(DIRECT).unwrap();
    let (channel, key) = honest.split_once('.').unwrap();
    let own = format!("{DIRECT}{channel}.{key}.{key}");
    let queues = [
        String::new(),
        "q".repeat(256),
        "a\nb".into(),
        "a\0b".into(),
        "crossgrant.jobs".into(),
        "amq.direct".into(),
        "amq.rabbitmq.reply-to".into(),
        "amq.rabbitmq.reply-to.".into(),
        "amq.rabbitmq.reply-to.AAAA.k".into(),
        format!("{DIRECT}{channel}"),
        format!("{DIRECT}{channel}."),
        format!("{DIRECT}.{key}"),
        format!("{DIRECT}{channel}.k"),
        format!("{DIRECT}{}.{key}", channel.replace("==", "=")),
        format!("{DIRECT}{}.{key}", &channel[..channel.len() - 4]),
        format!("{DIRECT}{}.{key}", channel.replacen('g', "h", 1)),
        format!("{DIRECT}{}.{key}", channel.replacen('1', "!", 1)),
        own,
    ];
    for queue in queues {
        assert!(reply_to_fault(&queue, "crossgrant").is_some(), "{queue:?}");
    }
}

#[test]
fn a_node_is_told_by_the_hash_of_its_name() {
    let term = |node: &str, numbers: usize| {
        let length = u16::try_from(node.len()).unwrap().to_be_bytes();
        [&[131, 88, 118, length[0], length[1]], node.as_bytes(), &vec![0; numbers]].concat()
    };
    assert!(is_process(&term("reply@95259954", 12)) && is_process(&term("generated@1", 12)));
    for (node, numbers) in [
        ("rabbit@host", 12),
        ("reply@", 12),
        ("@1", 12),
        ("reply", 12),
        ("reply@-1", 12),
        ("reply@1", 9),
        ("reply@1", 13),
    ] {
        assert!(!is_process(&term(node, numbers)), "{node} {numbers}");
    }
    let small = [&[131, 88, 119, 7][..], b"reply@1", &[0; 12]].concat();
    assert!(is_process(&small) && !is_process(&small[..20]) && !is_process(&[131, 88, 118, 255, 255, 0]));
}
