//! A broker that is as ApsaraMQ for RabbitMQ says of itself, as far as RabbitMQ is otherwise (docs/brokers.md has the pages): a
//! proxy in front of a node of RabbitMQ that reads every frame and answers some itself.
//!
//! - A queue is declared with arguments that it does not know: it refuses that (406), or makes the queue without them.
//! - Declaring too often within a second is refused (530); the channel ends, and the connection does not.
//! - A delivery that is not acknowledged in time goes back to the queue, and with the last of the tries to the dead-letter
//!   exchange. Its acknowledgement is late then, and is ignored.
//!
//! That anybody may write any `user_id`, a user of the node with the tag `impersonator` shows.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossgrant::clock::{Clock as _, SystemClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::raw_amqp::{long, short};

/// The arguments of queues that it knows (*QueueHasDiffField*, *Message TTL*).
const KNOWN: [&str; 3] = ["x-dead-letter-exchange", "x-dead-letter-routing-key", "x-message-ttl"];
const METHOD: u8 = 1;
const HEADER: u8 = 2;
/// How often it looks for deliveries that are overdue.
const LOOK: Duration = Duration::from_millis(10);

/// What can differ from one instance to another.
#[derive(Clone, Copy)]
pub struct Manners {
    /// Whether it refuses arguments of queues that it does not know; if not, it ignores them.
    pub refuses: bool,
    /// How many exchanges and queues may be declared within a second.
    pub declares: usize,
    /// When a delivery that is not acknowledged goes back: after a minute, or 5, or 30 (*Consumption retry policies*).
    pub redelivery: Duration,
    /// How often a message is delivered before it is dead-lettered (*Consumption retry policies*: the first time, and 16 more).
    pub deliveries: u32,
}

impl Default for Manners {
    fn default() -> Self {
        Self { refuses: true, declares: usize::MAX, redelivery: Duration::from_secs(60), deliveries: 17 }
    }
}

/// The proxy. It ends when it is dropped.
pub struct ApsaraMq {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl ApsaraMq {
    /// Listens in front of a node.
    pub async fn before(node: SocketAddr, manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let instance = Arc::new(Instance { manners, declared: Mutex::default(), delivered: Mutex::default() });
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(serve(client, node, Arc::clone(&instance)));
            }
        });
        Self { address, task }
    }

    /// A URL of the node, by way of the proxy.
    pub fn url(&self, url: &str) -> String {
        let (user, rest) = url.split_once('@').unwrap();
        let (_, vhost) = rest.split_once('/').unwrap();
        format!("{user}@{}/{vhost}", self.address)
    }
}

impl Drop for ApsaraMq {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What all connections share.
struct Instance {
    manners: Manners,
    /// The uptimes of the latest declares.
    declared: Mutex<VecDeque<Duration>>,
    /// How often each message was delivered, by its message id.
    delivered: Mutex<HashMap<Vec<u8>, u32>>,
}

impl Instance {
    /// Whether one more may be declared now.
    fn may_declare(&self) -> bool {
        let (mut declared, now) = (self.declared.lock().unwrap(), SystemClock.uptime());
        while declared.front().is_some_and(|at| now.saturating_sub(*at) >= Duration::from_secs(1)) {
            declared.pop_front();
        }
        let may = declared.len() < self.manners.declares;
        if may {
            declared.push_back(now);
        }
        may
    }

    /// Counts a delivery; whether it is the last of its message.
    fn is_last(&self, message_id: &[u8]) -> bool {
        let mut delivered = self.delivered.lock().unwrap();
        let times = delivered.entry(message_id.to_vec()).or_default();
        *times += 1;
        *times >= self.manners.deliveries
    }
}

struct Frame {
    kind: u8,
    channel: u16,
    payload: Vec<u8>,
}

impl Frame {
    async fn read(from: &mut OwnedReadHalf) -> io::Result<Self> {
        let mut head = [0; 7];
        from.read_exact(&mut head).await?;
        let mut payload = vec![0; u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize + 1];
        from.read_exact(&mut payload).await?;
        payload.pop();
        Ok(Self { kind: head[0], channel: u16::from_be_bytes([head[1], head[2]]), payload })
    }

    fn method(channel: u16, (class, method): (u16, u16), arguments: &[u8]) -> Self {
        let payload = [&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat();
        Self { kind: METHOD, channel, payload }
    }

    fn bytes(&self) -> Vec<u8> {
        [&[self.kind], &self.channel.to_be_bytes()[..], &long(&self.payload), &[0xCE]].concat()
    }

    /// Class and method, and the arguments.
    fn read_method(&self) -> Option<((u16, u16), Reader<'_>)> {
        let mut reader = Reader(&self.payload);
        (self.kind == METHOD).then(|| ((reader.u16(), reader.u16()), reader))
    }
}

/// Reads what RabbitMQ and lapin have written, which is well-formed.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.take(2).try_into().unwrap())
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take(8).try_into().unwrap())
    }

    fn short(&mut self) -> &'a [u8] {
        let length = self.take(1)[0];
        self.take(length.into())
    }

    fn long(&mut self) -> &'a [u8] {
        let length = u32::from_be_bytes(self.take(4).try_into().unwrap());
        self.take(length as usize)
    }

    /// The entries of a table: the name, and the value as it is written.
    fn table(&mut self) -> Vec<(&'a [u8], &'a [u8])> {
        let (mut inside, mut entries) = (Reader(self.long()), Vec::new());
        while !inside.0.is_empty() {
            let name = inside.short();
            let begin = inside.0;
            match inside.take(1)[0] {
                b'S' => drop(inside.long()),
                b'l' | b'T' => drop(inside.take(8)),
                b'I' => drop(inside.take(4)),
                b't' => drop(inside.take(1)),
                other => panic!("an argument of type {:?}", other as char),
            }
            entries.push((name, &begin[..begin.len() - inside.0.len()]));
        }
        entries
    }
}

/// What is known of one connection.
#[derive(Default)]
struct Channels {
    /// By channel and delivery tag: when it goes back, and whether that was its last delivery.
    unacknowledged: BTreeMap<(u16, u64), (Duration, bool)>,
    /// What went back before it was acknowledged.
    given_back: BTreeSet<(u16, u64)>,
    /// A delivery whose properties are still to come.
    begun: HashMap<u16, u64>,
    /// Channels that the proxy has ended on both sides, whose `close-ok` is not for the other: of the node, and of the client.
    ended: HashMap<u16, u32>,
    refused: HashMap<u16, u32>,
}

/// Takes one off a count that is there.
fn one_less(counts: &mut HashMap<u16, u32>, channel: u16) -> bool {
    match counts.get_mut(&channel) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    }
}

struct Link {
    instance: Arc<Instance>,
    channels: Mutex<Channels>,
    client: tokio::sync::Mutex<OwnedWriteHalf>,
    node: tokio::sync::Mutex<OwnedWriteHalf>,
}

async fn serve(client: TcpStream, node: SocketAddr, instance: Arc<Instance>) {
    let Ok(node) = TcpStream::connect(node).await else { return };
    let ((mut from_client, to_client), (mut from_node, to_node)) = (client.into_split(), node.into_split());
    let link = Link { instance, channels: Mutex::default(), client: to_client.into(), node: to_node.into() };
    let up = async {
        let mut greeting = [0; 8];
        from_client.read_exact(&mut greeting).await?;
        link.node.lock().await.write_all(&greeting).await?;
        loop {
            link.upward(Frame::read(&mut from_client).await?).await?;
        }
    };
    let down = async {
        loop {
            link.downward(Frame::read(&mut from_node).await?).await?;
        }
    };
    let overdue = async {
        loop {
            SystemClock.sleep(LOOK).await;
            link.give_back().await?;
        }
    };
    // Whichever side goes, the other sees the end of the stream.
    let _: io::Result<()> = tokio::select! { end = up => end, end = down => end, end = overdue => end };
}

impl Link {
    async fn to_node(&self, frame: &Frame) -> io::Result<()> {
        self.node.lock().await.write_all(&frame.bytes()).await
    }

    async fn to_client(&self, frame: &Frame) -> io::Result<()> {
        self.client.lock().await.write_all(&frame.bytes()).await
    }

    /// A frame of the client.
    async fn upward(&self, frame: Frame) -> io::Result<()> {
        let Some((method, mut arguments)) = frame.read_method() else { return self.to_node(&frame).await };
        match method {
            (40, 10) | (50, 10) if !self.instance.may_declare() => {
                self.refuse(frame.channel, 530, "denied for too many requests", method).await
            }
            (20, 41) if one_less(&mut self.channels.lock().unwrap().refused, frame.channel) => Ok(()),
            (50, 10) => self.declare_queue(&frame, arguments).await,
            // The tag, and for basic.ack and basic.nack whether all before it are meant.
            (60, 80 | 90 | 120) => {
                let (tag, bits) = (arguments.u64(), arguments.take(1)[0]);
                self.settle(&frame, method, (tag, bits)).await
            }
            _ => self.to_node(&frame).await,
        }
    }

    async fn declare_queue(&self, frame: &Frame, mut arguments: Reader<'_>) -> io::Result<()> {
        let (reserved, name, bits) = (arguments.take(2), arguments.short(), arguments.take(1));
        let entries = arguments.table();
        let known = |(name, _): &&(&[u8], &[u8])| KNOWN.iter().any(|known| known.as_bytes() == *name);
        let passive = bits[0] & 1 == 1;
        if self.instance.manners.refuses && !passive && entries.iter().filter(known).count() < entries.len() {
            return self.refuse(frame.channel, 406, "QueueArgumentsInvalid", (50, 10)).await;
        }
        let kept: Vec<u8> =
            entries.iter().filter(known).flat_map(|(name, value)| [&short(name), *value].concat()).collect();
        let arguments = [reserved, &short(name), bits, &long(&kept)].concat();
        self.to_node(&Frame::method(frame.channel, (50, 10), &arguments)).await
    }

    /// Ends a channel in the name of the broker, and at the node.
    async fn refuse(&self, channel: u16, code: u16, text: &str, (class, method): (u16, u16)) -> io::Result<()> {
        self.forget(channel);
        {
            let mut channels = self.channels.lock().unwrap();
            *channels.ended.entry(channel).or_default() += 1;
            *channels.refused.entry(channel).or_default() += 1;
        }
        let with = |code: u16, text: &str| {
            [&code.to_be_bytes()[..], &short(text.as_bytes()), &class.to_be_bytes(), &method.to_be_bytes()].concat()
        };
        self.to_node(&Frame::method(channel, (20, 40), &with(200, "ended"))).await?;
        self.to_client(&Frame::method(channel, (20, 40), &with(code, text))).await
    }

    fn forget(&self, channel: u16) {
        let mut channels = self.channels.lock().unwrap();
        channels.unacknowledged.retain(|(of, _), _| *of != channel);
        channels.given_back.retain(|(of, _)| *of != channel);
    }

    /// An acknowledgement, or a refusal: what went back already is left out of it.
    async fn settle(&self, frame: &Frame, method: (u16, u16), (tag, bits): (u64, u8)) -> io::Result<()> {
        let all_before = method != (60, 90) && bits & 1 == 1;
        let channel = frame.channel;
        let (tags, late) = {
            let mut channels = self.channels.lock().unwrap();
            let from = if all_before { 0 } else { tag };
            let tags: Vec<u64> =
                channels.unacknowledged.range((channel, from)..=(channel, tag)).map(|((_, tag), _)| *tag).collect();
            for tag in &tags {
                channels.unacknowledged.remove(&(channel, *tag));
            }
            let late: Vec<_> = channels.given_back.range((channel, from)..=(channel, tag)).copied().collect();
            for one in &late {
                channels.given_back.remove(one);
            }
            (tags, !late.is_empty())
        };
        if tags.is_empty() && !late {
            // Nothing of a consumer: a message that was fetched.
            return self.to_node(frame).await;
        }
        let bits = if method == (60, 90) { bits } else { bits & !1 };
        for tag in tags {
            let arguments = [&tag.to_be_bytes()[..], &[bits]].concat();
            self.to_node(&Frame::method(channel, method, &arguments)).await?;
        }
        Ok(())
    }

    /// A frame of the node.
    async fn downward(&self, frame: Frame) -> io::Result<()> {
        match frame.read_method() {
            Some(((60, 60), mut arguments)) => {
                arguments.short();
                self.channels.lock().unwrap().begun.insert(frame.channel, arguments.u64());
            }
            Some(((20, 41), _)) if one_less(&mut self.channels.lock().unwrap().ended, frame.channel) => return Ok(()),
            Some(((20, 40), _)) => self.forget(frame.channel),
            Some(_) => {}
            None if frame.kind == HEADER => self.delivered(&frame),
            None => {}
        }
        self.to_client(&frame).await
    }

    /// The properties of a delivery: its time begins.
    fn delivered(&self, frame: &Frame) {
        let mut channels = self.channels.lock().unwrap();
        let Some(tag) = channels.begun.remove(&frame.channel) else { return };
        let last = self.instance.is_last(&message_id(&frame.payload));
        let goes_back = SystemClock.uptime() + self.instance.manners.redelivery;
        channels.unacknowledged.insert((frame.channel, tag), (goes_back, last));
    }

    async fn give_back(&self) -> io::Result<()> {
        let now = SystemClock.uptime();
        let overdue: Vec<((u16, u64), bool)> = {
            let mut channels = self.channels.lock().unwrap();
            let of =
                |(at, (goes_back, last)): (&(u16, u64), &(Duration, bool))| (*goes_back <= now).then_some((*at, *last));
            let overdue: Vec<_> = channels.unacknowledged.iter().filter_map(of).collect();
            for (at, _) in &overdue {
                channels.unacknowledged.remove(at);
                channels.given_back.insert(*at);
            }
            overdue
        };
        for ((channel, tag), last) in overdue {
            let arguments = [&tag.to_be_bytes()[..], &[u8::from(!last)]].concat();
            self.to_node(&Frame::method(channel, (60, 90), &arguments)).await?;
        }
        Ok(())
    }
}

/// The message id among the properties of a content header; empty if there is none.
fn message_id(header: &[u8]) -> Vec<u8> {
    // Class, weight, size of the body.
    let mut reader = Reader(&header[12..]);
    let flags = reader.u16();
    let has = |bit: u16| flags & (1 << bit) != 0;
    // Content type, content encoding.
    for bit in [15, 14] {
        if has(bit) {
            reader.short();
        }
    }
    if has(13) {
        reader.long();
    }
    // Delivery mode, priority.
    for bit in [12, 11] {
        if has(bit) {
            reader.take(1);
        }
    }
    // Correlation id, reply to, expiration.
    for bit in [10, 9, 8] {
        if has(bit) {
            reader.short();
        }
    }
    if has(7) { reader.short().to_vec() } else { Vec::new() }
}
