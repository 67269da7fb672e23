//! `version`: of the program, and of what it stores. Before an upgrade or the way back it says whether the stores differ.

use serde_json::json;

use super::exit::{CliError, Exit};
use super::output;
use crate::domain::REASONS_VERSION;
use crate::store::{Postgres, Sqlite};

/// Prints them.
pub(super) fn version(json: bool) -> Result<Exit, CliError> {
    let (program, sqlite, postgres) = (env!("CARGO_PKG_VERSION"), Sqlite::SCHEMA, Postgres::SCHEMA);
    let text = match json {
        true => json!({
            "version": program, "sqlite_schema": sqlite, "postgres_schema": postgres, "reasons_version": REASONS_VERSION,
        })
        .to_string(),
        false => format!(
            "crossgrant {program}\nschema of the store: SQLite {sqlite}, PostgreSQL {postgres}\nversion of the reasons: {REASONS_VERSION}"
        ),
    };
    output::lines(&text)?;
    Ok(Exit::Ok)
}
