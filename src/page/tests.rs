mod recorded;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;
use crate::admin::testing::{START, admin_of, at, engine_by, secret};
use crate::admin::{AdminRole, Authority};
use crate::clock::ManualClock;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::mail::Lane;
use crate::engine::ports::outbox::{Outbox, OutboxPage, Settlement};
use crate::engine::record::{Record, State};
use crate::telemetry::Metrics;
use recorded::{HOSTILE, everything};

/// A worker with a job in every state, and its page.
struct Desk {
    clock: Arc<ManualClock>,
    engine: Arc<Engine>,
    page: Page,
    router: Router,
    jobs: Vec<Record>,
}

/// What was answered.
struct Got {
    status: StatusCode,
    headers: http::HeaderMap,
    text: String,
}

async fn desk() -> Desk {
    let metrics = Arc::new(Metrics::new());
    let clock = Arc::new(ManualClock::new(at(START)));
    let engine = engine_by(clock.clone(), metrics.engine()).await;
    let jobs = everything(&engine).await;
    let admin = admin_of(engine.clone(), metrics);
    Desk { clock, engine, page: Page::new(admin.clone(), false), router: router(admin, false), jobs }
}

impl Desk {
    fn authority(&self, role: AdminRole) -> Authority {
        self.page.parts().tokens.authority(&secret(role)).unwrap()
    }

    fn cookie(&self, role: AdminRole) -> String {
        let cookie = self.page.begin(&self.authority(role), Some("Ann")).unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    /// The token of the forms of the session of this cookie.
    fn form(&self, cookie: &str) -> String {
        let headers = http::HeaderMap::from_iter([(http::header::COOKIE, cookie.parse().unwrap())]);
        self.page.session(&headers).unwrap().form
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: String) -> Got {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost:9180");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Got { status: parts.status, headers: parts.headers, text }
    }

    async fn see(&self, role: AdminRole, path: &str) -> Got {
        self.ask("GET", path, &[("cookie", &self.cookie(role))], String::new()).await
    }

    async fn act(&self, role: AdminRole, path: &str, fields: &[(&str, &str)]) -> Got {
        let cookie = self.cookie(role);
        let form = self.form(&cookie);
        let body = asked::query(fields.iter().copied().chain([("form", form.as_str())]));
        self.ask("POST", path, &[("cookie", &cookie)], body).await
    }

    fn job(&self, id: &str) -> &Record {
        self.jobs.iter().find(|record| record.job.id.as_str() == id).unwrap_or_else(|| panic!("there is a job {id}"))
    }

    async fn now(&self, id: &str) -> Record {
        self.engine.store.load(self.job(id).uid).await.unwrap().unwrap()
    }
}

/// The local addresses that a document leads to.
fn links(text: &str) -> BTreeSet<String> {
    let hrefs = text.split(" href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    hrefs.filter(|href| href.starts_with('/')).map(|href| href.replace("&amp;", "&")).collect()
}

/// Every tag of a document is one that the page writes, with attributes that it writes, and nothing unseen is in its text.
fn is_clean(path: &str, text: &str) {
    const TAGS: &str = "!DOCTYPE html head meta title link script noscript body a header nav form input label button main section h1 h2 \
        h3 p span strong ul ol li dl dt dd div table thead tbody tr th td details summary pre code time svg path rect figure figcaption \
        fieldset legend select option textarea footer";
    let known: BTreeSet<&str> = TAGS.split_whitespace().collect();
    for tag in text.split('<').skip(1) {
        let (inside, _) = tag.split_once('>').unwrap_or_else(|| panic!("{path}: <{tag}"));
        let name = inside.trim_start_matches('/').split_whitespace().next().unwrap_or("");
        assert!(known.contains(name), "{path}: a foreign element: <{inside}>");
        // What stands between quotes is a value.
        let names: String = inside.split('"').step_by(2).collect();
        for attribute in names.split_whitespace().skip(1) {
            assert!(!attribute.starts_with("on") && attribute != "style", "{path}: <{inside}>");
        }
    }
    assert_eq!(text.matches("<script").count(), text.matches("<script src=\"/ui/").count(), "{path}");
    for unseen in ['\u{1b}', '\u{202e}', '\u{7}', '\u{200b}'] {
        assert!(!text.contains(unseen), "{path} has {unseen:?}");
    }
}

#[tokio::test]
async fn a_walk_without_a_script_reaches_every_view_and_none_has_a_foreign_element() {
    let desk = desk().await;
    let (mut seen, mut left) = (BTreeSet::new(), vec!["/".to_owned()]);
    while let Some(path) = left.pop() {
        if path.starts_with("/ui/") || !seen.insert(path.clone()) || seen.len() > 600 {
            continue;
        }
        let got = desk.see(AdminRole::Approver, &path).await;
        assert_eq!(got.status, StatusCode::OK, "{path}: {}", got.text);
        is_clean(&path, &got.text);
        for part in ["<h1", "<main", "<title>", "lang=\"en\"", "href=\"#main\""] {
            assert!(got.text.contains(part), "{path} has no {part}");
        }
        assert!(!got.text.contains("<th>"), "{path}: a heading has no scope");
        left.extend(links(&got.text));
    }
    for begins in [
        "/jobs?",
        "/jobs/",
        "/instances/",
        "/approvals",
        "/batches/",
        "/dead/",
        "/plan?job=",
        "/codes/",
        "/bulk/cancel",
    ] {
        assert!(seen.iter().any(|path| path.starts_with(begins)), "{begins} is not reached from {seen:?}");
    }
    let uids: Vec<String> = desk.jobs.iter().map(|record| format!("/jobs/{}", record.uid)).collect();
    assert!(uids.iter().all(|uid| seen.contains(uid)), "every job is reached");
}

#[tokio::test]
async fn each_job_says_what_the_api_says_of_it_and_shows_the_commands_that_work() {
    let desk = desk().await;
    for record in &desk.jobs {
        let path = format!("/v1/jobs/{}", record.uid);
        let authority = desk.authority(AdminRole::Approver);
        let view: crate::admin::JobView =
            desk.page.ask(http::Method::GET, &path, &authority, String::new()).await.unwrap();
        let got = desk.see(AdminRole::Approver, &format!("/jobs/{}", record.uid)).await;
        for command in ["cancel", "resume", "approve", "release"] {
            let shown = got.text.contains(&format!("action=\"/jobs/{}/{command}\"", record.uid));
            let works = view.commands.iter().any(|word| word == command);
            assert_eq!(shown, works, "{command} on {}", record.job.id);
        }
        let escaped = maud::html! { (mark::said(crate::cli::why(record, &view.explanation))) }.into_string();
        assert!(got.text.contains(&escaped), "{} does not say {escaped}", record.job.id);
        let reader = desk.see(AdminRole::Reader, &format!("/jobs/{}", record.uid)).await;
        assert!(!reader.text.contains("<form class=\"command\""), "a reader has no commands");
    }
    let half = desk.see(AdminRole::Reader, &format!("/jobs/{}", desk.job("HALF").uid)).await.text;
    assert!(half.contains("half done") && half.contains("class=\"differs\""), "{half}");
    let back = desk.see(AdminRole::Reader, &format!("/jobs/{}", desk.job("BACK").uid)).await.text;
    assert!(back.contains("rail back") && back.contains("going back"), "{back}");
}

#[tokio::test]
async fn hostile_text_is_shown_and_does_nothing() {
    let desk = desk().await;
    let got = desk.see(AdminRole::Reader, &format!("/jobs/{}", desk.job("HOSTILE").uid)).await;
    assert!(HOSTILE.contains("<script>") && got.text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{}", got.text);
    assert!(got.text.contains("\\u001b") && got.text.contains("\\u202e"));
    for path in [
        "/jobs?label=%3Cscript%3E%3D1",
        "/codes/%3Cscript%3E",
        "/jobs/%3Cimg%20src%3Dx%3E",
        "/jobs?since=%22%3E%3Cscript%3E",
    ] {
        is_clean(path, &desk.see(AdminRole::Reader, path).await.text);
    }
}

#[tokio::test]
async fn a_form_without_its_token_of_a_foreign_page_or_beyond_the_role_changes_nothing() {
    let desk = desk().await;
    let path = format!("/jobs/{}/cancel", desk.job("GAVE-UP").uid);
    let before = desk.now("GAVE-UP").await;
    let cookie = desk.cookie(AdminRole::Operator);
    let other = desk.form(&desk.cookie(AdminRole::Reader));
    let own = desk.form(&cookie);
    for (headers, form, status) in [
        (vec![("cookie", cookie.as_str())], "", StatusCode::FORBIDDEN),
        (vec![("cookie", cookie.as_str())], other.as_str(), StatusCode::FORBIDDEN),
        (vec![("cookie", cookie.as_str()), ("origin", "https://evil.example")], own.as_str(), StatusCode::FORBIDDEN),
        (vec![("cookie", cookie.as_str()), ("sec-fetch-site", "cross-site")], own.as_str(), StatusCode::FORBIDDEN),
        (
            vec![
                ("cookie", cookie.as_str()),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ],
            own.as_str(),
            StatusCode::FORBIDDEN,
        ),
        (vec![], own.as_str(), StatusCode::UNAUTHORIZED),
    ] {
        let got = desk.ask("POST", &path, &headers, asked::query([("form", form), ("reason", "x")])).await;
        assert_eq!(got.status, status, "{headers:?} {form}: {}", got.text);
    }
    let got = desk.act(AdminRole::Reader, &path, &[("reason", "x")]).await;
    assert_eq!(got.status, StatusCode::FORBIDDEN, "{}", got.text);
    let got = desk.act(AdminRole::Operator, &path, &[]).await;
    assert_eq!((got.status, desk.now("GAVE-UP").await), (StatusCode::BAD_REQUEST, before), "a reason is asked for");
    let approve = format!("/jobs/{}/approve", desk.job("APPROVE-1").uid);
    assert_eq!(desk.act(AdminRole::Operator, &approve, &[("reason", "x")]).await.status, StatusCode::FORBIDDEN);
    let got = desk.ask("GET", "/v1/status", &[("cookie", &cookie)], String::new()).await;
    assert_eq!(got.status, StatusCode::UNAUTHORIZED, "the API takes no cookie");
    let submitter = desk.see(AdminRole::Submitter, "/").await;
    assert_eq!(submitter.status, StatusCode::FORBIDDEN, "{}", submitter.text);
}

#[tokio::test]
async fn each_button_does_what_it_says_and_keeps_who_and_why() {
    let desk = desk().await;
    for (command, id, state) in [
        ("cancel", "GAVE-UP", State::Cancelled),
        ("resume", "HOSTILE", State::Queued),
        ("approve", "APPROVE-1", State::Queued),
        ("cancel", "HALF", State::Queued),
    ] {
        let path = format!("/jobs/{}/{command}", desk.job(id).uid);
        let got = desk.act(AdminRole::Approver, &path, &[("reason", "CHG-1")]).await;
        assert_eq!(got.status, StatusCode::SEE_OTHER, "{command} {id}: {}", got.text);
        let to = got.headers["location"].to_str().unwrap();
        assert_eq!(to, format!("/jobs/{}?done={command}", desk.job(id).uid));
        assert!(desk.see(AdminRole::Reader, to).await.text.contains("role=\"status\""));
        let record = desk.now(id).await;
        let done = record.commands.last().unwrap();
        assert_eq!((record.state(), done.mandate.to_string()), (state, "by Ann (token approver): CHG-1".into()));
    }
    let again =
        desk.act(AdminRole::Operator, &format!("/jobs/{}/cancel", desk.job("GAVE-UP").uid), &[("reason", "x")]).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text);
    assert!(again.text.contains("/codes/declined"));

    let pause = desk.act(AdminRole::Operator, "/accounts/1688000000000001/pause", &[("reason", "audit")]).await;
    assert_eq!(pause.headers["location"], "/?done=paused", "{}", pause.text);
    assert_eq!(desk.engine.store.pauses().await.unwrap()[0].by, "Ann");
    desk.act(AdminRole::Operator, "/accounts/1688000000000001/unpause", &[("reason", "done")]).await;
    assert!(desk.engine.store.pauses().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_command_on_many_jobs_carries_their_number_and_does_nothing_when_that_has_changed() {
    let desk = desk().await;
    let now = desk.see(AdminRole::Approver, "/").await.text;
    let action = now.split("action=\"").find(|rest| rest.starts_with("/bulk/approve?")).unwrap();
    let action = action.split('"').next().unwrap().replace("&amp;", "&");
    assert!(now.contains("name=\"expect\" value=\"2\"") && now.contains("Approve 2"), "{now}");
    let wrong = desk.act(AdminRole::Approver, &action, &[("reason", "x"), ("expect", "3")]).await;
    assert_eq!((wrong.status, desk.now("APPROVE-1").await.state()), (StatusCode::CONFLICT, State::Parked));
    let got = desk.act(AdminRole::Approver, &action, &[("reason", "CHG-2"), ("expect", "2")]).await;
    assert!(got.text.contains("done for 2 jobs"), "{}", got.text);
    for id in ["APPROVE-1", "APPROVE-2"] {
        assert_eq!(desk.now(id).await.state(), State::Queued, "{id}");
    }
    let got = desk.act(AdminRole::Approver, &action, &[("reason", "x"), ("expect", "2")]).await;
    assert_eq!(got.status, StatusCode::CONFLICT, "another browser was first");
}

#[tokio::test]
async fn a_token_opens_a_session_and_a_link_from_elsewhere_finds_it() {
    let desk = desk().await;
    let got = desk.ask("GET", "/jobs?state=parked", &[], String::new()).await;
    assert_eq!(got.status, StatusCode::UNAUTHORIZED);
    assert!(got.text.contains("name=\"token\"") && got.text.contains("value=\"/jobs?state=parked\""), "{}", got.text);
    let policy = got.headers["content-security-policy"].to_str().unwrap();
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
        assert!(policy.contains(part), "{policy}");
    }
    let wrong = desk.ask("POST", "/login", &[], "token=wrong".into()).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    let body = asked::query([("token", secret(AdminRole::Reader).as_str()), ("next", "/jobs?state=parked")]);
    let entered = desk.ask("POST", "/login", &[], body).await;
    assert_eq!(
        (entered.status, &entered.headers["location"]),
        (StatusCode::SEE_OTHER, &"/jobs?state=parked".parse().unwrap())
    );
    let cookie = entered.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let got = desk.ask("GET", "/jobs?state=parked", &[("cookie", &cookie)], String::new()).await;
    assert_eq!(got.status, StatusCode::OK);

    let elsewhere = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let bounced = desk.ask("GET", "/jobs", &elsewhere, String::new()).await;
    assert_eq!((bounced.status, &bounced.headers["refresh"]), (StatusCode::OK, &"0;url=/jobs".parse().unwrap()));
    let framed = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
    assert_eq!(desk.ask("GET", "/jobs", &framed, String::new()).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_plan_names_the_faults_of_a_job_and_a_rejected_one_shows_them_in_its_body() {
    let desk = desk().await;
    let got = desk.act(AdminRole::Reader, "/plan", &[("job", r#"{"id": "N", "kind": "gift"}"#)]).await;
    assert!(got.text.contains("It is not a valid job.") && got.text.contains("/codes/job-"), "{}", got.text);
    let change = serde_json::to_string(&serde_json::json!({
        "id": "P", "kind": "payer-change", "order_type": "PayByResourceOwner",
        "instance": {"type": "VPC", "id": "vpc-bp1h8vbrbcgohcju50001", "region": "cn-hangzhou", "owner": "1688000000000001"},
        "cen": {"id": "cen-44m0p68spvlrqq0001", "owner": "1250123456123456"},
    }));
    let got = desk.act(AdminRole::Reader, "/plan", &[("job", &change.unwrap())]).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text);
    assert!(got.text.contains("May be asked for by *"), "{}", got.text);
    let lines = desk.act(AdminRole::Reader, "/plan", &[("job", "{\r\n}")]).await;
    assert!(lines.text.contains(">{\n}</textarea>"), "the lines of a browser: {}", lines.text);

    let list = desk.see(AdminRole::Operator, "/dead").await.text;
    let uid = links(&list).into_iter().find(|link| link.starts_with("/dead/") && link.len() > 20).unwrap();
    let one = desk.see(AdminRole::Operator, &uid).await.text;
    assert!(one.contains("class=\"fault\"") && one.contains("<textarea"), "{one}");
    let drop = async || desk.act(AdminRole::Operator, &format!("{uid}/drop"), &[("reason", "a typing error")]).await;
    let early = drop().await;
    assert_eq!(early.status, StatusCode::CONFLICT, "its sender is not told yet: {}", early.text);
    for lane in Lane::ALL {
        let page = OutboxPage { lane, which: Outbox::Fresh(0), messages: 1000, bytes: usize::MAX };
        let done = desk.engine.store.outbox(page).await.unwrap().iter().map(|row| row.number).collect();
        desk.engine.store.settle(lane, &Settlement { done, ..Settlement::default() }).await.unwrap();
    }
    let dropped = drop().await;
    assert_eq!(dropped.headers["location"], "/dead?done=drop", "{}", dropped.text);
    assert_eq!(drop().await.status, StatusCode::CONFLICT, "it is gone already");
}

#[tokio::test]
async fn an_open_view_is_told_of_a_change() {
    let desk = desk().await;
    let cookie = desk.cookie(AdminRole::Operator);
    let path = format!("/live?job={}", desk.job("GAVE-UP").uid);
    let request = Request::builder().uri(&path).header("cookie", &cookie).body(Body::empty()).unwrap();
    let answer = desk.router.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut body = answer.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(&first[..], b"retry: 1000\n\n");
    desk.act(AdminRole::Operator, &format!("/jobs/{}/cancel", desk.job("GAVE-UP").uid), &[("reason", "x")]).await;
    let told = tokio::spawn(async move { body.frame().await });
    while !told.is_finished() {
        desk.clock.advance(std::time::Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    let told = told.await.unwrap().unwrap().unwrap().into_data().unwrap();
    assert_eq!(&told[..], b"event: changed\ndata:\n\n");
    let stranger = desk.ask("GET", "/live", &[], String::new()).await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn without_the_page_the_worker_answers_as_the_api_alone() {
    let desk = desk().await;
    let router = desk.page.api();
    let answer = router.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(desk.ask("GET", "/healthz", &[], String::new()).await.text, "ok\n", "and with it, too");
    let style = asset::STYLE.path();
    let got = desk.ask("GET", &style, &[], String::new()).await;
    assert!(got.headers["cache-control"].to_str().unwrap().contains("immutable"));
}
