use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;

use super::*;
use crate::simulator::testing::{Bench, CEN, RESOURCE, TR, about};
use crate::simulator::{FaultKind, InjectedFault};

const ABSENT: &str = "vpc-bp1h8vbrbcgohcju50003";
const GRANT: &str = "GrantInstanceToTransitRouter";

#[tokio::test]
async fn the_caller_is_the_account_of_the_key() {
    let bench = Bench::new();
    let got = bench.call(TR, "GetCallerIdentity", "").await;
    assert_eq!(
        (&got.json()["AccountId"], &got.json()["IdentityType"]),
        (&json!("1250123456123456"), &json!("Account"))
    );
    assert_eq!(got.headers["date"], "Sat, 09 May 2026 08:30:00 GMT");
    assert_eq!(got.headers.get_all("date").iter().count(), 1);
}

#[tokio::test]
async fn what_cannot_be_verified_or_found_is_refused_and_counted() {
    let bench = Bench::new();
    let got = bench.call(RESOURCE, "NoSuchAction", "").await;
    assert_eq!((got.status, got.code().as_str()), (404, "InvalidAction.NotFound"));
    let mut request = bench.request(RESOURCE, GRANT, &about(ABSENT));
    *request.uri_mut() = request.uri().to_string().replace("50003", "50002").parse().unwrap();
    let got = bench.send(request).await.unwrap();
    assert_eq!((got.status, got.code().as_str()), (400, "SignatureDoesNotMatch"));
    let calls = bench.simulator.calls();
    assert_eq!(calls.iter().map(|c| c.account.is_some()).collect::<Vec<_>>(), [true, false]);
    assert!(bench.simulator.ledger().is_empty());
}

#[tokio::test]
async fn without_accept_json_the_answer_is_xml() {
    let bench = Bench::new();
    let mut request = bench.request(RESOURCE, "NoSuchAction", "");
    request.headers_mut().remove("accept");
    assert!(bench.send(request).await.unwrap().text.contains("<Code>InvalidAction.NotFound</Code>"));
}

#[tokio::test]
async fn faults_without_effect_have_none() {
    let throttle = |retry_after_ms| FaultKind::Throttle { retry_after_ms };
    for (kind, status, holds) in [
        (throttle(Some(250)), 400, "Throttling.User"),
        (throttle(None), 400, "Throttling.User"),
        (FaultKind::Http { status: 500 }, 500, "InternalError"),
        (FaultKind::Http { status: 503 }, 503, "ServiceUnavailable"),
        (FaultKind::Error { http: 409, code: "A.B".into(), message: String::new() }, 409, "A.B"),
        (FaultKind::Conflict, 400, "OperationFailed.TaskConflict"),
        (FaultKind::XmlError { http: 400, code: "A.C".into() }, 400, "<Code>A.C</Code>"),
        (FaultKind::HtmlError, 502, "<html>"),
        (FaultKind::Empty, 200, "RequestId"),
    ] {
        let bench = Bench::new();
        bench.simulator.inject(InjectedFault::new(GRANT, kind.clone()));
        let got = bench.call(RESOURCE, GRANT, &about(ABSENT)).await;
        assert!(got.status == status && got.text.contains(holds), "{kind:?}: {got:?}");
        let hint = if kind == throttle(Some(250)) { Some("250") } else { None };
        assert_eq!(got.headers.get("x-acs-retry-after").map(|v| v.to_str().unwrap()), hint, "{kind:?}");
        assert!(bench.simulator.ledger().is_empty(), "{kind:?}");
        assert_eq!(bench.grant(ABSENT, "").await, "OK", "{kind:?} strikes once");
    }
}

#[tokio::test]
async fn an_error_can_answer_a_call_that_took_effect() {
    for kind in [
        FaultKind::Throttle { retry_after_ms: None },
        FaultKind::Error { http: 400, code: "IncorrectStatus".into(), message: String::new() },
        FaultKind::Http { status: 500 },
        FaultKind::Conflict,
        FaultKind::HtmlError,
        FaultKind::Empty,
    ] {
        let bench = Bench::new();
        bench.simulator.inject(InjectedFault::new(GRANT, kind.clone()).with_effect());
        let text = bench.call(RESOURCE, GRANT, &about(ABSENT)).await.text;
        let call = bench.simulator.calls().pop().unwrap();
        assert!(call.effect && call.code != "OK", "{kind:?}: {call:?}");
        assert_eq!(text.contains(&call.code), !call.code.starts_with("fault:"), "{kind:?}: {text}");
        assert_eq!((bench.simulator.ledger().len(), bench.simulator.total_calls()), (1, 1), "{kind:?}");
        assert!(bench.rule(ABSENT).await.is_some(), "{kind:?}");
    }
}

#[tokio::test]
async fn a_list_can_be_empty_once() {
    let cen = format!("CenId={CEN}");
    let (of_cen, by_router) = (format!("{cen}&ProductType=VPC"), "TransitRouterId=tr-bp1su1ytdxtataupl0001");
    for (operation, params, list) in [
        ("DescribeGrantRulesToCen", of_cen.as_str(), "/GrantRules/GrantRule"),
        ("ListTransitRouterVpcAttachments", by_router, "/TransitRouterAttachments"),
        ("DescribeCenAttachedChildInstances", &cen, "/ChildInstances/ChildInstance"),
        ("ListTransitRouters", &cen, "/TransitRouters"),
        ("DescribeCens", "", "/Cens/Cen"),
    ] {
        let bench = Bench::new();
        let asked = async || bench.call(TR, operation, params).await.json();
        let whole = asked().await;
        bench.simulator.inject(InjectedFault::new(operation, FaultKind::EmptyList));
        let empty = asked().await;
        assert_eq!((empty.pointer(list), &empty["TotalCount"]), (Some(&json!([])), &json!(0)), "{operation}");
        assert_eq!(
            whole.as_object().unwrap().keys().collect::<Vec<_>>(),
            empty.as_object().unwrap().keys().collect::<Vec<_>>()
        );
        assert_eq!(asked().await["TotalCount"], whole["TotalCount"], "{operation}: once");
        assert_ne!(whole["TotalCount"], 0, "{operation}");
    }
    let bench = Bench::new();
    bench.simulator.inject(InjectedFault::new("*", FaultKind::EmptyList));
    assert_eq!(bench.grant(ABSENT, "").await, "OK");
    assert_eq!(bench.simulator.ledger().len(), 1, "a write is no list");
}

#[tokio::test]
async fn a_drop_is_no_answer_with_or_without_the_effect() {
    for (kind, effects, code) in
        [(FaultKind::DropBefore, 0, "fault:drop_before"), (FaultKind::DropAfter, 1, "fault:drop_after")]
    {
        let bench = Bench::new();
        bench.simulator.inject(InjectedFault::new(GRANT, kind));
        assert!(bench.send(bench.request(RESOURCE, GRANT, &about(ABSENT))).await.is_none());
        assert_eq!(bench.simulator.ledger().len(), effects);
        let call = bench.simulator.calls().pop().unwrap();
        assert_eq!((call.code.as_str(), call.effect), (code, effects == 1));
    }
}

#[tokio::test]
async fn a_held_request_waits_for_the_release() {
    for (kind, effects) in [(FaultKind::HangBefore, 0), (FaultKind::HangAfter, 1)] {
        let bench = Arc::new(Bench::new());
        bench.simulator.inject(InjectedFault::new(GRANT, kind));
        let request = bench.request(RESOURCE, GRANT, &about(ABSENT));
        let held = tokio::spawn({
            let bench = bench.clone();
            async move { bench.send(request).await.unwrap().code() }
        });
        bench.simulator.wait_for_held(GRANT).await;
        assert_eq!(bench.simulator.ledger().len(), effects);
        bench.simulator.release();
        assert_eq!(held.await.unwrap(), "OK");
        assert_eq!(bench.simulator.ledger().len(), 1);
        assert_eq!(bench.simulator.total_calls(), 1);
    }
}

#[tokio::test]
async fn a_client_that_gives_up_ends_a_held_request_without_effect() {
    let bench = Arc::new(Bench::new());
    bench.simulator.inject(InjectedFault::new(GRANT, FaultKind::HangBefore));
    let request = bench.request(RESOURCE, GRANT, &about(ABSENT));
    let held = tokio::spawn({
        let bench = bench.clone();
        async move { bench.send(request).await }
    });
    bench.simulator.wait_for_held(GRANT).await;
    held.abort();
    assert!(held.await.unwrap_err().is_cancelled());
    assert!(bench.simulator.with(|state, _| state.held.is_empty()));
    bench.simulator.release();
    assert!(bench.simulator.ledger().is_empty());
}

#[tokio::test]
async fn a_slow_answer_comes_when_the_clock_says_so() {
    let bench = Arc::new(Bench::new());
    bench.simulator.inject(InjectedFault::new(GRANT, FaultKind::Slow { ms: 20_000 }));
    let request = bench.request(RESOURCE, GRANT, &about(ABSENT));
    let slow = tokio::spawn({
        let bench = bench.clone();
        async move { bench.send(request).await.unwrap() }
    });
    bench.simulator.wait_for_calls(GRANT, 1).await;
    while bench.clock.sleepers() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!slow.is_finished());
    bench.pass(20);
    let got = slow.await.unwrap();
    assert_eq!((got.status, &got.headers["date"]), (200, &"Sat, 09 May 2026 08:30:20 GMT".parse().unwrap()));
}

#[tokio::test]
async fn a_stale_read_misses_the_last_write() {
    let bench = Bench::new();
    bench.grant(ABSENT, "").await;
    bench.simulator.inject(InjectedFault::new("DescribeGrantRulesToCen", FaultKind::Stale));
    assert_eq!(bench.rule(ABSENT).await, None);
    assert!(bench.rule(ABSENT).await.is_some());
}

#[tokio::test]
async fn over_tcp_a_drop_is_an_error_a_kept_connection_serves_on_and_stop_ends_it() {
    let bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(bench.simulator.clone().serve(listener, async move { drop(stopped.await) }));
    let wire = |action: &str, params: &str, length: &str| {
        let request = bench.request(TR, action, params);
        let mut text = format!("POST {} HTTP/1.1\r\n{length}", request.uri());
        request.headers().iter().for_each(|(n, v)| text += &format!("{n}: {}\r\n", v.to_str().unwrap()));
        text + "\r\n"
    };
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let params = format!("CenId={CEN}&ProductType=VPC");
    for length in ["content-length: 0\r\n", ""] {
        connection.write_all(wire("DescribeGrantRulesToCen", &params, length).as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            assert_ne!(connection.read_buf(&mut answer).await.unwrap(), 0);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    }
    bench.simulator.inject(InjectedFault::new("*", FaultKind::DropAfter));
    connection.write_all(wire("GetCallerIdentity", "", "").as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(10), connection.read_to_end(&mut rest)).await.unwrap();
    assert!(closed.is_err() || !rest.ends_with(b"0\r\n\r\n"), "no whole answer: {}", String::from_utf8_lossy(&rest));

    bench.simulator.inject(InjectedFault::new("*", FaultKind::HangAfter));
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    connection.write_all(wire("GetCallerIdentity", "", "").as_bytes()).await.unwrap();
    bench.simulator.wait_for_held("GetCallerIdentity").await;
    drop(connection);
    let gone = bench.simulator.wait(|state| state.held.is_empty());
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("a closed connection ends what it held");

    bench.simulator.inject(InjectedFault::new("*", FaultKind::HangAfter));
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    connection.write_all(wire("GetCallerIdentity", "", "").as_bytes()).await.unwrap();
    bench.simulator.wait_for_held("GetCallerIdentity").await;
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(10), served).await.unwrap().unwrap().unwrap();
}
