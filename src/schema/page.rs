//! `docs/http.md`: the admin HTTP, and what a simulated cloud can be asked, as a page for people.

use http::StatusCode;

use super::bodies::bodies;
use crate::admin::api::{operations, parameter, refusal};
use crate::admin::{AdminRole, ApiError};
use crate::simulator::CONTROL;

/// The page after its first lines, which are written by hand.
pub fn http_page() -> String {
    let mut page = String::from("| | Role | Parameters | |\n|---|---|---|---|\n");
    let mut named: Vec<&str> = Vec::new();
    for operation in operations() {
        let role = operation.role.map_or("–".to_owned(), |role| role.to_string());
        let role = if operation.own { format!("{role}, {}", AdminRole::Submitter) } else { role };
        let (path, method) = (operation.path, operation.method.to_ascii_uppercase());
        let takes = operation.takes.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        page.push_str(&format!("| `{method} {path}` | {role} | {takes} | {} |\n", operation.says));
        let of_path = path.split('{').skip(1).filter_map(|part| Some(part.split_once('}')?.0));
        for name in of_path.chain(operation.takes) {
            if !named.contains(&name) {
                named.push(name);
            }
        }
    }
    page.push_str("\n| Parameter | |\n|---|---|\n");
    for name in named {
        page.push_str(&format!("| `{name}` | {} |\n", parameter(name)));
    }
    page.push_str("\n| Status | Codes | |\n|---|---|---|\n");
    let mut statuses: Vec<StatusCode> = ApiError::STATUSES.iter().map(|(status, _)| *status).collect();
    statuses.sort();
    statuses.dedup();
    for status in statuses {
        let codes = ApiError::STATUSES.iter().filter(|(of, _)| *of == status).map(|(_, code)| format!("`{code}`"));
        let codes = codes.collect::<Vec<_>>().join(", ");
        page.push_str(&format!("| {} | {codes} | {} |\n", status.as_u16(), refusal(status)));
    }
    page.push_str("\n## The simulated cloud\n\n`crossgrant simulate` answers these besides the API, without any key and for this machine only.\n\n");
    page.push_str("| | |\n|---|---|\n");
    for (request, says) in CONTROL {
        page.push_str(&format!("| `{request}` | {says} |\n"));
    }
    page.push('\n');
    page.push_str(&bodies());
    page
}
