use amq_protocol::frame::{AMQPFrame, parse_frame};
use amq_protocol::types::{AMQPValue, FieldTable};
use lapin::BasicProperties;
use proptest::prelude::*;

use super::*;

const KEEP: usize = 100;
const KEPT: Kept = Kept { usual: KEEP, of_batches: 1_000 };

fn short(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text].concat()
}

fn long(content: &[u8]) -> Vec<u8> {
    [&u32::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
}

/// A delivery on a channel, as the broker sends it, in body frames of `piece` bytes.
fn delivery(channel: u16, routing_key: &[u8], properties: &[u8], body: &[u8], piece: usize) -> Vec<u8> {
    delivery_to(b"tag", channel, routing_key, properties, body, piece)
}

/// The same, to a consumer with this tag.
fn delivery_to(tag: &[u8], channel: u16, routing_key: &[u8], properties: &[u8], body: &[u8], piece: usize) -> Vec<u8> {
    let deliver = [&[0, 60, 0, 60], &*short(tag), &[0, 0, 0, 0, 0, 0, 0, 7, 0], &*short(b""), &*short(routing_key)];
    let mut bytes = Vec::new();
    frame::write(frame::METHOD, channel, &deliver.concat(), &mut bytes);
    let size = (body.len() as u64).to_be_bytes();
    let fixed = [&[0, 60, 0, 0], size.as_slice()].concat();
    frame::write(frame::HEADER, channel, &[&*fixed, properties].concat(), &mut bytes);
    for piece in body.chunks(piece) {
        frame::write(frame::BODY, channel, piece, &mut bytes);
    }
    bytes
}

/// What the filter makes of bytes that arrive `chunk` at a time.
fn filtered(bytes: &[u8], chunk: usize) -> Vec<u8> {
    let (mut filter, mut out) = (ContentFilter::new(KEPT), Vec::new());
    for chunk in bytes.chunks(chunk) {
        let mut some = Vec::new();
        filter.read(chunk, &mut some).unwrap();
        out.extend(some);
    }
    assert!(filter.begun.is_empty() && filter.arriving.is_empty(), "all has gone on");
    out
}

/// Frames, as the library reads them.
fn frames(mut bytes: &[u8]) -> Vec<AMQPFrame> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (rest, frame) = parse_frame(bytes).expect("the library can read all that goes on");
        frames.push(frame);
        bytes = rest;
    }
    frames
}

/// The one message in bytes, as the library reads it: its routing key, properties and body.
fn message(bytes: &[u8]) -> (String, BasicProperties, Vec<u8>) {
    let (mut key, mut properties, mut size, mut body) = (String::new(), BasicProperties::default(), 0, Vec::new());
    for frame in frames(bytes) {
        match frame {
            AMQPFrame::Method(_, method) => {
                use amq_protocol::protocol::{AMQPClass, basic};
                if let AMQPClass::Basic(basic::AMQPMethod::Deliver(deliver)) = method {
                    key = deliver.routing_key.to_string();
                }
            }
            AMQPFrame::Header(_, header) => (properties, size) = (header.properties, header.body_size),
            AMQPFrame::Body(_, piece) => body.extend(piece),
            _ => {}
        }
    }
    assert_eq!(size, body.len() as u64);
    (key, properties, body)
}

fn header<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a AMQPValue> {
    properties.headers().as_ref().and_then(|headers: &FieldTable| headers.inner().get(name))
}

fn unreadable(properties: &BasicProperties) -> Option<String> {
    match header(properties, UNREADABLE)? {
        AMQPValue::LongString(names) => Some(String::from_utf8(names.as_bytes().to_vec()).unwrap()),
        other => panic!("{other:?}"),
    }
}

/// `message_id` alone.
fn with_id(id: &[u8]) -> Vec<u8> {
    [&[0x00, 0x80], &*short(id)].concat()
}

/// `headers` alone.
fn with_headers(table: &[u8]) -> Vec<u8> {
    [&[0x20, 0x00], &*long(table)].concat()
}

fn entry(key: &[u8], value: &[u8]) -> Vec<u8> {
    [&*short(key), value].concat()
}

/// An array in an array, to this depth.
fn nested(depth: usize) -> Vec<u8> {
    (0..depth).fold(b"V".to_vec(), |inner, _| [b"A", &*long(&inner)].concat())
}

#[test]
fn what_the_library_can_read_goes_on_byte_by_byte_as_it_came() {
    let death =
        entry(b"x-death", &[b"A", &*long(&[b"F", &*long(&entry(b"count", b"l\0\0\0\0\0\0\0\x01"))].concat())].concat());
    for properties in [
        vec![0, 0],
        with_id(b"NET-1/\xc3\xa4"),
        with_headers(&[]),
        with_headers(&death),
        with_headers(&entry(b"n", &nested(6))),
    ] {
        for body in [vec![], vec![b' '; KEEP]] {
            let bytes = delivery(1, b"job.grant", &properties, &body, 30);
            for chunk in [1, 7, 100_000] {
                assert_eq!(filtered(&bytes, chunk), bytes);
            }
            frames(&bytes);
        }
    }
}

#[test]
fn of_a_large_body_the_beginning_the_length_and_the_digest_go_on() {
    let body: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let bytes = delivery(1, b"job.grant", &with_id(b"m"), &body, 64);
    for chunk in [1, 70, 100_000] {
        let out = filtered(&bytes, chunk);
        let (_, properties, kept) = message(&out);
        assert_eq!(kept, body[..KEEP]);
        assert_eq!(properties.message_id().as_ref().unwrap().as_str(), "m");
        assert_eq!(header(&properties, BODY_LENGTH), Some(&AMQPValue::LongLongInt(1000)));
        let digest = hex(&Sha256::digest(&body));
        assert_eq!(header(&properties, BODY_SHA256), Some(&AMQPValue::LongString(digest.into())));
        assert_eq!(unreadable(&properties), None);
        let longest = frames(&out)
            .iter()
            .filter_map(|f| if let AMQPFrame::Body(_, piece) = f { Some(piece.len()) } else { None })
            .max();
        assert_eq!(longest, Some(64), "in pieces no longer than they came");
    }
}

#[test]
fn of_a_whole_batch_more_is_kept() {
    for (length, kept) in [(1000, 1000), (1001, 1000)] {
        let body = vec![b' '; length];
        let to = |tag| message(&filtered(&delivery_to(tag, 1, b"batch", &[0, 0], &body, 64), 100)).2.len();
        assert_eq!((to(b"batches"), to(b"tag"), to(b"batches.")), (kept, KEEP, KEEP));
    }
    // Between the frames of one come those of another.
    let mut filter = ContentFilter::new(KEPT);
    let [mut large, usual] = [(b"batches".as_slice(), 1), (b"tag", 2)]
        .map(|(tag, channel)| delivery_to(tag, channel, b"k", &[0, 0], &[b' '; 1000], 500));
    let rest = large.split_off(large.len() - 508);
    let mut out = Vec::new();
    for bytes in [&large, &usual, &rest] {
        filter.read(bytes, &mut out).unwrap();
    }
    let (of_one, of_two): (Vec<_>, Vec<_>) = frames(&out)
        .into_iter()
        .filter_map(|frame| match frame {
            AMQPFrame::Body(channel, piece) => Some((channel, piece.len())),
            _ => None,
        })
        .partition(|(channel, _)| *channel == 1);
    let bytes = |pieces: Vec<(u16, usize)>| pieces.into_iter().map(|(_, bytes)| bytes).sum::<usize>();
    assert_eq!((bytes(of_one), bytes(of_two)), (1000, KEEP));
}

#[test]
fn of_a_large_body_no_more_is_kept_in_memory_and_the_library_hears_that_the_broker_lives() {
    let mut filter = ContentFilter::new(KEPT);
    let begin = delivery(1, b"k", &[0, 0], &[], 1);
    let size = begin.len() - 1 - 2 - 8..begin.len() - 1 - 2;
    let mut begin = begin;
    begin[size].copy_from_slice(&(1_u64 << 40).to_be_bytes());
    filter.read(&begin, &mut Vec::new()).unwrap();
    let mut piece = Vec::new();
    frame::write(frame::BODY, 1, &[0; 1000], &mut piece);
    for _ in 0..1000 {
        let mut out = Vec::new();
        filter.read(&piece, &mut out).unwrap();
        assert_eq!(frames(&out), [AMQPFrame::Heartbeat]);
    }
    assert!(filter.begun.capacity() < 10_000, "{}", filter.begun.capacity());
    let Some(Arriving::LargeBody(body)) = filter.arriving.get(&1) else { panic!("the body has not ended") };
    assert!(body.beginning.len() == KEEP && body.missing == (1 << 40) - 1_000_000);
}

#[test]
fn the_frames_of_other_channels_pass_a_large_body_by() {
    let large = delivery(1, b"a", &with_id(b"large"), &[b'x'; 300], 150);
    let small = delivery(2, b"b", &with_id(b"small"), b"{}", 10);
    let split = large.len() - 158;
    let out = filtered(&[&large[..split], &small, &large[split..]].concat(), 11);
    let order: Vec<u16> = frames(&out)
        .iter()
        .filter_map(|frame| match frame {
            AMQPFrame::Header(channel, _) => Some(*channel),
            _ => None,
        })
        .collect();
    assert_eq!(order, [2, 1]);
}

#[test]
fn a_text_that_is_not_utf_8_is_shown_and_named() {
    let bytes = delivery(1, b"job.\xff", &with_id(b"NET-\xff\xfe1"), b"{}", 10);
    let (key, properties, body) = message(&filtered(&bytes, 13));
    assert_eq!((key.as_str(), body.as_slice()), ("job.\\xff", b"{}".as_slice()));
    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), "NET-\\xff\\xfe1");
    assert_eq!(unreadable(&properties).unwrap(), "routing_key message_id");

    let worst = [
        &[0xdf, 0xfc],
        &*short(&[0xff; 255]),
        &short(&[0xff; 255]),
        &[1, 2],
        &short(&[0xff; 255]).repeat(4),
        &[0; 8],
        &short(&[0xff; 255]).repeat(4),
    ]
    .concat();
    let (_, properties, _) = message(&filtered(&delivery(1, b"k", &worst, &[0; KEEP + 1], 10), 1000));
    assert_eq!(unreadable(&properties).unwrap().split(' ').count(), 10, "all texts");
    assert_eq!(properties.timestamp(), &Some(0));
}

#[test]
fn headers_that_the_library_cannot_read_are_left_out_and_the_others_stay() {
    let good = entry(b"traceparent", &[b"S", &*long(b"00-1")].concat());
    let bad = [
        entry(b"\xff", b"V"),
        entry(b"nested", &[b"F", &*long(&entry(b"\xff", b"V"))].concat()),
        entry(b"deep", &nested(25_000)),
        entry(b"many", &[b"A", &*long(&[b'V'; 30_000])].concat()),
        entry(b"odd in an array", &[b"A", &*long(b"?")].concat()),
        entry(b"long", &[b"S", &*long(&[0; 20_000])].concat()),
        entry(b"not known", b"?"),
    ];
    for bad in bad {
        for table in [[&*good, &bad].concat(), [&*bad, &good].concat()] {
            let (_, properties, body) = message(&filtered(&delivery(1, b"k", &with_headers(&table), b"{}", 9), 50));
            assert_eq!((unreadable(&properties).unwrap().as_str(), body.as_slice()), ("headers", b"{}".as_slice()));
            // Where a value of an unknown type ends, and the next entry begins, cannot be told.
            let lost = bad.ends_with(b"?") && bad.len() < 15 && table.starts_with(&bad);
            assert_eq!(header(&properties, "traceparent").is_none(), lost, "{:?}", &bad[..9]);
        }
    }
}

#[test]
fn what_is_used_of_the_headers_is_not_crowded_out() {
    let text = |key: &[u8], length: usize| entry(key, &[b"S", &*long(&vec![b'x'; length])].concat());
    let death = entry(b"reason", &[b"S", &*long(b"expired")].concat());
    let death = entry(b"x-death", &[b"A", &*long(&[b"F", &*long(&death)].concat())].concat());
    let trace = text(b"traceparent", 55);
    let much: Vec<u8> = (0..60).flat_map(|n| text(format!("h{n}").as_bytes(), 400)).collect();
    let many: Vec<u8> = (0..300).flat_map(|n| entry(format!("h{n}").as_bytes(), b"V")).collect();
    for crowd in [&much, &many, &text(b"traceparent", 400).repeat(60)] {
        let table = [&**crowd, &trace, &death].concat();
        let (_, properties, _) = message(&filtered(&delivery(1, b"k", &with_headers(&table), b"{}", 9), 50));
        assert_eq!(unreadable(&properties).unwrap(), "headers");
        assert!(header(&properties, "x-death").is_some() && header(&properties, "traceparent").is_some());
        assert!(header(&properties, "h0").is_some() || crowd.starts_with(b"\x0btraceparent"), "as many others as fit");
    }
}

#[test]
fn properties_that_end_where_they_should_not_are_left_out() {
    for bad in [&[][..], &[0x80], &[0x80, 0, 5, b'a'], &[0, 0, 1], &[0, 1, 0, 0], &[0x20, 0, 0, 0, 0, 9]] {
        let (_, properties, _) = message(&filtered(&delivery(1, b"k", bad, b"{}", 9), 50));
        assert_eq!(unreadable(&properties).unwrap(), "properties", "{bad:?}");
    }
}

#[test]
fn only_the_filter_writes_its_headers() {
    let forged =
        [entry(BODY_LENGTH.as_bytes(), b"l\0\0\0\0\0\0\0\x01"), entry(UNREADABLE.as_bytes(), b"V"), entry(b"a", b"V")];
    let (_, properties, _) = message(&filtered(&delivery(1, b"k", &with_headers(&forged.concat()), b"{}", 9), 50));
    assert_eq!(properties.headers().as_ref().unwrap().inner().len(), 1, "{properties:?}");
}

#[test]
fn a_changed_header_is_no_longer_than_it_was_or_than_any_frame_may_be() {
    let table: Vec<u8> =
        (0..60).flat_map(|n| entry(format!("key-{n}").as_bytes(), &[b"S", &*long(&[b'x'; 100])].concat())).collect();
    for table in [&table[..], &table[..115 * 3]] {
        let properties = [&[0x20, 0x80], &*long(table), &short(&[0xff; 200])].concat();
        let out = filtered(&delivery(1, b"k", &properties, &[0; 101], 200), 999);
        frames(&out);
        let Ok(frame::Split::Frame(_, rest)) = frame::split(&out) else { panic!() };
        let Ok(frame::Split::Frame(header, _)) = frame::split(rest) else { panic!() };
        assert!(header.whole.len() <= 4096.max(properties.len() + 20), "{}", header.whole.len());
    }
}

#[test]
fn what_is_no_frame_goes_on_for_the_library_to_name() {
    let good = delivery(1, b"k", &[0, 0], b"{}", 9);
    let bytes = [&good, b"AMQP\0\0\x09\x01".as_slice(), &good].concat();
    let mut filter = ContentFilter::new(KEPT);
    let mut out = Vec::new();
    for byte in &bytes {
        filter.read(&[*byte], &mut out).unwrap();
    }
    assert_eq!(out, bytes);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_break_the_filter(bytes in prop::collection::vec(any::<u8>(), 0..200), chunk in 1usize..50) {
        let (mut filter, mut out) = (ContentFilter::new(KEPT), Vec::new());
        for chunk in bytes.chunks(chunk) {
            if filter.read(chunk, &mut out).is_err() {
                break;
            }
        }
    }

    /// The frames are whole, and all in them is anything.
    #[test]
    fn whatever_content_comes_the_library_can_read_what_goes_on(
        key in prop::collection::vec(any::<u8>(), 0..50),
        properties in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            (prop::collection::vec(prop_oneof![Just(b'A'), Just(b'F'), Just(b'V'), Just(0), Just(1), Just(2), any::<u8>()], 0..200))
                .prop_map(|table| with_headers(&table)),
            prop::collection::vec((prop::collection::vec(any::<u8>(), 0..4), value()), 0..10).prop_map(|entries| {
                with_headers(&entries.iter().flat_map(|(key, value)| entry(key, value)).collect::<Vec<_>>())
            }),
        ],
        body in prop::collection::vec(any::<u8>(), 0..300),
        piece in 1usize..400,
        chunk in 1usize..400,
    ) {
        let (_, properties, kept) = message(&filtered(&delivery(3, &key, &properties, &body, piece), chunk));
        prop_assert_eq!(&kept[..], &body[..KEEP.min(body.len())]);
        prop_assert_eq!(header(&properties, BODY_LENGTH).is_some(), body.len() > KEEP);
    }
}

/// A value of a table, well formed except for its keys.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just(b"V".to_vec()),
        Just(b"t\x01".to_vec()),
        any::<[u8; 8]>().prop_map(|bytes| [b"l", &bytes[..]].concat()),
        any::<[u8; 5]>().prop_map(|bytes| [b"D", &bytes[..]].concat()),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(|text| [b"S", &*long(&text)].concat()),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(|text| [b"x", &*long(&text)].concat()),
        any::<u8>().prop_map(|kind| vec![kind]),
    ];
    leaf.prop_recursive(12, 60, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|values| [b"A", &*long(&values.concat())].concat()),
            prop::collection::vec((prop::collection::vec(any::<u8>(), 0..3), inner), 0..4).prop_map(|entries| {
                let table: Vec<u8> = entries.iter().flat_map(|(key, value)| entry(key, value)).collect();
                [b"F", &*long(&table)].concat()
            }),
        ]
    })
}
