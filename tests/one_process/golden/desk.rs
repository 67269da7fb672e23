//! What `crossgrant show` asks a worker for.

use std::sync::Arc;

use axum::body::Body;
use crossgrant::admin::{Admin, AdminParts, AdminRole, AdminToken, AdminTokens};
use crossgrant::engine::record::Record;
use crossgrant::telemetry::Metrics;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::support::plant::Plant;

/// The job is shown as it is, with everything that was said of it.
pub async fn shows(plant: &Plant, record: &Record) {
    let (_stop, stopping) = watch::channel(false);
    let metrics = Arc::new(Metrics::new());
    let tokens = AdminTokens::new([AdminToken {
        name: "tests".into(),
        role: AdminRole::Approver,
        secret: "s3cr3t".into(),
        requesters: vec![],
    }]);
    let (engine, hosts) = (plant.engine.clone(), vec![]);
    let admin = Admin::new(AdminParts { engine, metrics, broker: None, tokens, hosts, stopping });
    let request = Request::builder()
        .uri(format!("/v1/jobs/{}", record.uid))
        .header("authorization", "Bearer s3cr3t")
        .body(Body::empty())
        .unwrap();
    let response = admin.router().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let view: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status, StatusCode::OK, "{view}");
    assert_eq!(view["job"], json!(record));
    let events = view["events"].as_array().unwrap();
    assert_eq!(events.len(), usize::try_from(record.sequence).unwrap(), "{view}");
    assert!(events.iter().all(|event| event["data"]["uid"] == json!(record.uid)), "{view}");
    assert!(view["explanation"].is_object(), "{view}");
}
