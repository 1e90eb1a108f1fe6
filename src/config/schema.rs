//! `config/schema.json`: the keys of `migd.toml` for editors, generated from the types.

use super::Config;

/// The JSON Schema of `migd.toml`.
pub fn schema() -> String {
    let schema = schemars::schema_for!(Config);
    // A schema is plain data: writing it as JSON cannot fail.
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    format!("{text}\n")
}
