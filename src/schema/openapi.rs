//! The admin HTTP as OpenAPI 3.1, made of its routes, with roles as the scopes of a token.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::generate::{generator, tidy};
use crate::admin::api::{Answer, ApiOperation, operations, parameter};
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
            "description": "What a running worker answers. Every parameter is in the path or the query; no request has a body. A role \
                            includes those before it: reader, operator, approver.",
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
    document
}

fn described(operation: &ApiOperation, generator: &mut SchemaGenerator) -> Value {
    let in_path = operation.path.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name);
    let required =
        |name: &&str| operation.name == "pauseAccount" || (*name == "expect" && operation.name.ends_with("Jobs"));
    let of_path = in_path.map(|name| parameter_of(name, "path", true));
    let of_query = operation.takes.iter().map(|name| parameter_of(name, "query", required(name)));
    let parameters: Vec<Value> = of_path.chain(of_query).collect();
    let content = match operation.answers {
        Answer::Json(schema) => json!({"application/json": {"schema": schema(generator)}}),
        Answer::Text(media) => json!({media: {"schema": {"type": "string"}}}),
    };
    let mut responses = json!({"200": {"description": "Done.", "content": content}});
    if operation.name == "ready" {
        responses["503"] = json!({"description": "A check fails.", "content": content});
    }
    responses["4XX"] = json!({
        "description": "Refused, with a code and what is wrong.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    });
    let role = |role: AdminRole| format!(" Needs the role {role}.");
    let security = match operation.role {
        Some(role) => json!([{"token": [role]}]),
        None => json!([]),
    };
    json!({
        "operationId": operation.name,
        "summary": operation.says.trim_end_matches('.'),
        "description": format!("{}{}", operation.says, operation.role.map(role).unwrap_or_default()),
        "parameters": parameters,
        "responses": responses,
        "security": security,
    })
}

fn parameter_of(name: &str, place: &str, required: bool) -> Value {
    let schema = match name {
        "limit" => json!({"type": "integer", "minimum": 1, "maximum": 1000}),
        "expect" | "after" => json!({"type": "integer", "minimum": 0}),
        "number" => json!({"type": "array", "items": {"type": "integer"}}),
        "half-done" | "held" | "open" => json!({"type": "string", "const": "true"}),
        _ => json!({"type": "string"}),
    };
    json!({"name": name, "in": place, "required": required, "description": parameter(name), "schema": schema})
}

fn error() -> Value {
    json!({
        "type": "object",
        "description": "Why a request was refused or failed. docs/codes.md has a page for each code.",
        "required": ["code", "message"],
        "properties": {"code": {"type": "string", "enum": ApiError::CODES}, "message": {"type": "string"}},
    })
}
