use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::admin::testing::admin;

/// Until then a test has failed; nothing waits for it.
const LATE: Duration = Duration::from_secs(20);
const ASK: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

async fn served(limits: ConnectionLimits) -> (SocketAddr, watch::Sender<bool>, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let admin = admin().await;
    let clock = Arc::clone(&admin.parts().engine.clock);
    let serving = async move { serve(listener, admin.router(), &*clock, limits, stopped).await };
    (at, stop, tokio::spawn(serving))
}

async fn sent(at: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Everything until the server closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    // A reset is an end too.
    let _ = tokio::time::timeout(LATE, stream.read_to_end(&mut read)).await.expect("it is closed");
    String::from_utf8(read).unwrap()
}

async fn answered(stream: &mut TcpStream) -> String {
    let mut read = vec![0; 1024];
    let length = tokio::time::timeout(LATE, stream.read(&mut read)).await.expect("it is answered").unwrap();
    String::from_utf8(read[..length].to_vec()).unwrap()
}

#[test]
fn who_waits_goes_before_who_is_answered_and_the_old_before_the_new() {
    assert_eq!(least_missed([(1, true), (2, false), (3, false)].into_iter()), Some(2));
    assert_eq!(least_missed([(1, true), (2, true)].into_iter()), Some(1));
    assert_eq!(least_missed(std::iter::empty()), None);
}

#[tokio::test]
async fn silent_half_slow_and_idle_connections_are_cut_off() {
    let limits = ConnectionLimits { header: Duration::from_millis(200), ..ConnectionLimits::default() };
    let (at, _stop, _server) = served(limits).await;
    for begun in [&b""[..], b"GET /healthz HTTP/1.1\r\nx:"] {
        assert_eq!(rest(&mut sent(at, begun).await).await, "", "{begun:?}");
    }
    let mut idle = sent(at, ASK).await;
    let all = rest(&mut idle).await;
    assert!(all.starts_with("HTTP/1.1 200 OK") && all.ends_with("ok\n"), "{all}");
    let body = "POST /v1/jobs/x/cancel HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000000\r\n\r\n";
    let all = rest(&mut sent(at, body.as_bytes()).await).await;
    assert!(all.starts_with("HTTP/1.1 401 "), "a body is not waited for: {all}");
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_off() {
    let limits = ConnectionLimits { answer: Duration::from_millis(100), header: Duration::from_millis(200), most: 1 };
    let (at, _stop, _server) = served(limits).await;
    let greedy = TcpStream::connect(at).await.unwrap();
    let (mut read, mut write) = greedy.into_split();
    // Until the server takes no more, because its answers are not taken either, and then closes.
    let asking = async { while write.write_all(ASK).await.is_ok() {} };
    tokio::time::timeout(LATE, asking).await.expect("it is cut off");
    let mut left = Vec::new();
    let _ = tokio::time::timeout(LATE, read.read_to_end(&mut left)).await.expect("it is closed");
}

#[tokio::test]
async fn the_newest_is_answered_whatever_others_hold() {
    let limits = ConnectionLimits { most: 4, header: LATE, ..ConnectionLimits::default() };
    let (at, _stop, _server) = served(limits).await;
    let mut strangers = Vec::new();
    for _ in 0..10 {
        strangers.push(sent(at, b"GET / HTTP/1.1\r\nx:").await);
    }
    assert!(answered(&mut sent(at, ASK).await).await.starts_with("HTTP/1.1 200 OK"));
    for stranger in &mut strangers[..6] {
        assert_eq!(rest(stranger).await, "", "the oldest are closed");
    }
}

#[tokio::test]
async fn a_stop_waits_for_no_stranger() {
    let limits = ConnectionLimits { header: LATE * 10, ..ConnectionLimits::default() };
    let (at, stop, server) = served(limits).await;
    let mut idle = sent(at, ASK).await;
    assert!(answered(&mut idle).await.starts_with("HTTP/1.1 200 OK"));
    let mut half = sent(at, b"GET / HTTP/1.1\r\nx:").await;
    stop.send_replace(true);
    tokio::time::timeout(LATE, server).await.expect("it stops").unwrap();
    assert_eq!((rest(&mut idle).await, rest(&mut half).await), (String::new(), String::new()));
}
