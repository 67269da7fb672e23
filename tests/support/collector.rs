//! A collector of traces on the loopback: it takes OTLP over HTTP as protobuf, or behaves badly.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use prost::Message as _;
use serde_json::{Map, Value, json};

use super::process::LIMIT;

/// What a collector does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Takes,
    /// Answers 500.
    Refuses,
    /// Never answers.
    Hangs,
}

#[derive(Default)]
struct Arrived {
    spans: Mutex<Vec<Value>>,
    requests: Mutex<usize>,
    news: Condvar,
}

pub struct Collector {
    address: SocketAddr,
    arrived: Arc<Arrived>,
}

impl Collector {
    pub fn new(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, arrived) = (listener.local_addr().unwrap(), Arc::<Arrived>::default());
        let serving = Arc::clone(&arrived);
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let (serving, socket) = (Arc::clone(&serving), socket.unwrap());
                // A worker that goes away is no fault of the collector.
                std::thread::spawn(move || drop(serving.serve(socket, manner)));
            }
        });
        Self { address, arrived }
    }

    /// What to configure.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        *self.arrived.requests.lock().unwrap()
    }

    /// Waits until the spans that came are as they should be. Each has the fields of OTLP that tests look at.
    pub fn wait<T>(&self, what: &str, mut judge: impl FnMut(&[Value]) -> Option<T>) -> T {
        let mut spans = self.arrived.spans.lock().unwrap();
        loop {
            if let Some(found) = judge(&spans) {
                return found;
            }
            let (next, late) = self.arrived.news.wait_timeout(spans, LIMIT).unwrap();
            spans = next;
            assert!(!late.timed_out(), "too late: {what}; there are {:#?}", *spans);
        }
    }
}

impl Arrived {
    fn serve(&self, socket: TcpStream, manner: Manner) -> std::io::Result<()> {
        let mut reader = BufReader::new(socket.try_clone()?);
        loop {
            let (mut first, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line)? == 0 {
                    return Ok(());
                }
                if first.is_empty() {
                    first.clone_from(&line);
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line == "\r\n" {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            assert!(first.starts_with("POST /v1/traces "), "{first}");
            *self.requests.lock().unwrap() += 1;
            match manner {
                Manner::Takes => self.take(&body),
                Manner::Refuses => {}
                Manner::Hangs => std::thread::park(),
            }
            let status = if manner == Manner::Takes { "200 OK" } else { "500 X" };
            (&socket).write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes())?;
        }
    }

    fn take(&self, body: &[u8]) {
        let request = ExportTraceServiceRequest::decode(body).expect("it is protobuf");
        let mut spans = self.spans.lock().unwrap();
        for group in request.resource_spans {
            let resource = attributes(group.resource.map(|resource| resource.attributes).unwrap_or_default());
            for span in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let links: Vec<Value> =
                    span.links.iter().map(|to| json!({"trace": hex(&to.trace_id), "span": hex(&to.span_id)})).collect();
                spans.push(json!({
                    "name": span.name, "kind": span.kind, "trace": hex(&span.trace_id), "span": hex(&span.span_id),
                    "parent": hex(&span.parent_span_id), "links": links, "began": span.start_time_unix_nano,
                    "ended": span.end_time_unix_nano, "error": span.status.is_some_and(|status| status.code == 2),
                    "attributes": attributes(span.attributes), "resource": resource,
                }));
            }
        }
        self.news.notify_all();
    }
}

fn attributes(all: Vec<KeyValue>) -> Value {
    let value = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => json!(text),
        Some(any_value::Value::IntValue(number)) => json!(number),
        Some(any_value::Value::BoolValue(flag)) => json!(flag),
        other => panic!("{other:?}"),
    };
    all.into_iter().map(|pair| (pair.key, value(pair.value))).collect::<Map<_, _>>().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
