//! The feed of all events over HTTP.

use super::*;

const STREAM: (&str, &str) = ("accept", "text/event-stream");

/// The types and subjects of the events of a page.
fn told(page: &Value) -> Vec<(&str, &str)> {
    let events = page["events"].as_array().unwrap().iter();
    events.map(|event| (event["type"].as_str().unwrap(), event["data"]["requester"].as_str().unwrap())).collect()
}

async fn ann_submits(house: &House, job: &Value) {
    let (status, _, body) = house.ask("POST", "/v1/jobs", "s3cr3t-of-ann", &[], &job.to_string()).await;
    assert_eq!(status, 202, "{body}");
}

#[tokio::test]
async fn a_reader_sees_the_events_of_all_and_a_submitter_its_own() {
    let house = house().await;
    let reader = secret(AdminRole::Reader);
    house.submit(&[], &job("NET-1", 1)).await;
    ann_submits(&house, &job("NET-2", 2)).await;
    house.submit(&[], &job("NET-3", 3)).await;
    let (status, all) = house.get(&reader, "/v1/events").await;
    let accepted =
        |who: &'static [&'static str]| who.iter().map(|who| ("crossgrant.job.accepted", *who)).collect::<Vec<_>>();
    assert_eq!((status, told(&all)), (200, accepted(&["http:bot", "http:ann", "http:bot"])));
    assert_eq!((&all["after"], &all["more"]), (&json!(3), &json!(false)));
    let (_, page) = house.get(&reader, "/v1/events?limit=2").await;
    assert_eq!((told(&page).len(), &page["after"], &page["more"]), (2, &json!(2), &json!(true)));
    assert_eq!(told(&house.get(&reader, "/v1/events?after=2").await.1).len(), 1);
    assert_eq!(house.get(&reader, "/v1/events?after=end").await.1, json!({"events": [], "after": 3, "more": false}));

    let (_, own) = house.get("s3cr3t-of-ann", "/v1/events").await;
    assert_eq!((told(&own), &own["after"]), (accepted(&["http:ann"]), &json!(3)));
    assert_eq!(house.get("s3cr3t-of-ann", "/v1/events?requester=http:ann").await.1, own);
    let (status, refused) = house.get("s3cr3t-of-ann", "/v1/events?requester=http:bot").await;
    assert!(status == 400 && refused["message"].as_str().unwrap().contains("http:ann alone"), "{refused}");

    for (filter, found) in [
        ("requester=http:bot", 2),
        ("type=job.accepted", 3),
        ("type=job.completed", 0),
        ("cen=cen-44m0p68spvlrqq0001", 3),
        ("cen=cen-44m0p68spvlrqq0002", 0),
        ("account=1688000000000001", 3),
        ("account=1250123456123456", 3),
        ("account=1999999999999999", 0),
    ] {
        let (_, page) = house.get(&reader, &format!("/v1/events?{filter}")).await;
        assert_eq!((told(&page).len(), &page["after"]), (found, &json!(3)), "{filter}");
    }
    for (query, says) in [
        ("after=x", "after=x"),
        ("after=4", "go on with after=0"),
        ("limit=0", "limit=0"),
        ("type=x", "must be one of"),
        ("cen=x", "cen=x"),
        ("since=1h", "there is no parameter"),
    ] {
        let (status, refused) = house.get(&reader, &format!("/v1/events?{query}")).await;
        assert!(status == 400 && refused["message"].as_str().unwrap().contains(says), "{query}: {refused}");
    }
}

#[tokio::test]
async fn a_stream_of_all_events_goes_on_where_its_reader_stopped() {
    let house = house().await;
    house.submit(&[], &job("NET-1", 1)).await;
    let follow = async |last: &str| {
        let headers = [STREAM, ("last-event-id", last)];
        let asked = house.ask("GET", "/v1/events?type=job.accepted", "s3cr3t-of-ann", &headers, "");
        let (status, _, text) = house.in_time(asked).await;
        assert_eq!(status, 200, "{text}");
        text
    };
    ann_submits(&house, &job("NET-2", 2)).await;
    house.submit(&[], &job("NET-3", 3)).await;
    let first = follow("1").await;
    assert!(first.starts_with("retry: 1000\n\nid: 2\ndata: {") && first.contains("NET-2"), "{first}");
    assert!(!first.contains("http:bot"), "{first}");
    assert!(first.ends_with("}\n\nid: 3\n\nid: 3\n\n"), "silence tells how far it has looked: {first}");
    ann_submits(&house, &job("NET-4", 4)).await;
    let second = follow("3").await;
    assert!(second.starts_with("retry: 1000\n\nid: 4\ndata: {") && !second.contains("NET-2"), "{second}");
    let ahead = [STREAM, ("last-event-id", "99")];
    assert_eq!(house.ask("GET", "/v1/events", "s3cr3t-of-ann", &ahead, "").await.0, 400);
}
