//! The admin HTTP as OpenAPI 3.1, made of its routes, with roles as the scopes of a token.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::generate::{generator, leave_open, tidy};
use crate::admin::api::{Answer, ApiOperation, operations, parameter, refusal};
use crate::admin::{AdminRole, ApiError};

pub(super) fn document() -> Value {
    let mut generator = generator("/components/schemas");
    let mut paths = Map::new();
    for operation in operations() {
        let described = described(&operation, &mut generator);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = described;
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Error".into(), error());
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Crossgrant admin HTTP",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What a running worker answers. Every parameter is in the path or the query; only what is submitted has a \
                            body. A role includes those before it: reader, operator, approver. A submitter submits, and reads what it \
                            has submitted.",
        },
        "servers": [{"url": "http://127.0.0.1:9180", "description": "The default of `[admin] listen`."}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of the configuration, or the one beside the store. It has a role.",
                },
            },
        },
    });
    tidy(&mut document);
    if let Some(Value::Object(schemas)) = document.pointer_mut("/components/schemas") {
        leave_open(schemas);
    }
    document
}

fn described(operation: &ApiOperation, generator: &mut SchemaGenerator) -> Value {
    let in_path = operation.path.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name);
    let required =
        |name: &&str| operation.name == "pauseAccount" || (*name == "expect" && operation.name.ends_with("Jobs"));
    let of_path = in_path.map(|name| parameter_of(operation.name, name, "path", true));
    let of_query = operation.takes.iter().map(|name| parameter_of(operation.name, name, "query", required(name)));
    let parameters: Vec<Value> = of_path.chain(of_query).collect();
    let content = match operation.answers {
        Answer::Json(schema) => json!({"application/json": {"schema": schema(generator)}}),
        Answer::Text(media) => json!({media: {"schema": {"type": "string"}}}),
    };
    let submits = operation.name == "submitJobs";
    let mut responses = match submits {
        true => json!({"202": {"description": "Accepted, or on its way.", "content": content}}),
        false => json!({"200": {"description": "Done.", "content": content}}),
    };
    if operation.streams {
        responses["200"]["content"]["text/event-stream"] = json!({"schema": {"type": "string"}});
    }
    if operation.streams && operation.name != "feedEvents" {
        responses["204"] = json!({"description": "To a stream: no further event will come."});
    }
    for status in operation.refusals() {
        let codes = ApiError::STATUSES.iter().filter(|(of, _)| *of == status).map(|(_, code)| format!("`{code}`"));
        let codes = codes.collect::<Vec<_>>().join(", ");
        responses[status.as_str()] = json!({
            "description": format!("{} Codes: {codes}.", refusal(status)),
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        });
    }
    if operation.name == "ready" {
        responses["503"] = json!({"description": "A check fails.", "content": content});
    }
    responses["4XX"] = json!({
        "description": "Refused, with a code and what is wrong.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    });
    let role = |role: AdminRole| format!(" Needs the role {role}.");
    let own = if operation.own {
        format!(" Or {}, for what the token has submitted.", AdminRole::Submitter)
    } else {
        String::new()
    };
    let security = match operation.role {
        Some(role) if operation.own => json!([{"token": [role]}, {"token": [AdminRole::Submitter]}]),
        Some(role) => json!([{"token": [role]}]),
        None => json!([]),
    };
    let mut described = json!({
        "operationId": operation.name,
        "summary": operation.says.trim_end_matches('.'),
        "description": format!("{}{}{own}", operation.says, operation.role.map(role).unwrap_or_default()),
        "parameters": parameters,
        "responses": responses,
        "security": security,
    });
    if submits {
        let header = |name: &str, says: &str| {
            json!({
                "name": name, "in": "header", "required": false, "schema": {"type": "string"}, "description": says,
            })
        };
        described["parameters"] = json!([
            header("Idempotency-Key", "The id of the job or of the batch, where the body has none."),
            header(
                "Reply-To",
                "The URL of a webhook that gets the end of the job or of the batch. A rule has to name its host."
            ),
            header("traceparent", "Travels on to the events."),
        ]);
        described["callbacks"] = json!({"answer": {"{$request.header.reply-to}": {"post": {
            "summary": "The last event of the job or of the batch, as a CloudEvent",
            "security": [],
            "description": "Signed as docs/contract.md says under Webhooks; tried again until it is taken.",
            "requestBody": {
                "required": true,
                "content": {"application/cloudevents+json": {"schema": {"type": "object"}}},
            },
            "responses": {
                "2XX": {"description": "Taken."},
                "410": {"description": "Gone: it is set aside at once."},
            },
        }}}});
        described["requestBody"] = json!({
            "required": true,
            "description": "A job, as the schema `job` says, or all jobs of a batch, as the schema `batch` says.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        });
    }
    described
}

fn parameter_of(of: &str, name: &str, place: &str, required: bool) -> Value {
    let schema = match name {
        "limit" => json!({"type": "integer", "minimum": 1, "maximum": 1000}),
        "after" if of == "feedEvents" => json!({"anyOf": [{"type": "integer", "minimum": 0}, {"const": "end"}]}),
        "expect" | "after" => json!({"type": "integer", "minimum": 0}),
        "number" => json!({"type": "array", "items": {"type": "integer"}}),
        "half-done" => json!({"type": "string", "enum": ["true", "false"]}),
        "overdue" | "held" | "open" => json!({"type": "string", "const": "true"}),
        _ => json!({"type": "string"}),
    };
    json!({"name": name, "in": place, "required": required, "description": parameter(name), "schema": schema})
}

fn error() -> Value {
    json!({
        "type": "object",
        "description": "Why a request was refused or failed. docs/codes.md has a page for each code.",
        "required": ["code", "message"],
        "properties": {
            "code": {"type": "string", "enum": ApiError::CODES},
            "message": {"type": "string"},
            "faults_not_listed": {
                "type": "integer",
                "description": "How many faults there are besides those in `faults`. `job-refused` alone has it, if there are any.",
            },
            "faults": {
                "type": "array",
                "description": "What is wrong with a job: `job-refused` alone has it.",
                "items": {
                    "type": "object",
                    "required": ["at", "code", "message"],
                    "properties": {
                        "at": {"type": "string"}, "code": {"type": "string"}, "message": {"type": "string"},
                    },
                },
            },
        },
    })
}
