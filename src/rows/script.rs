//! A migration as one text that can be run in a transaction and rolled back.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use tokio_postgres::Client;

use crate::layout::Source;
use crate::sql::{self, Kind};
use crate::trace::Executed;
use crate::trace::elevate::{Lend, made, reserved};
use crate::verdict::{Recipe, RecipePlace};

/// The statements of a migration without those that end a transaction or refuse to be in one.
pub(super) struct Script {
    parts: Vec<(Range<usize>, String)>,
}

impl Script {
    /// Of one direction, which `ran`, for a database of this name that has these extensions; none where it cannot be rolled
    /// back.
    pub(super) fn of(
        source: &Source,
        ran: &[Executed],
        database: &str,
        extensions: &BTreeSet<String>,
    ) -> Option<Script> {
        static CONCURRENTLY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)\bconcurrently\b").ok());
        let whole = std::slice::from_ref(&source.body);
        let mut parts = Vec::new();
        for piece in source.pieces.as_deref().unwrap_or(whole) {
            for statement in sql::split_range(&source.text, piece.clone()).statements {
                let text = &source.text[statement.range.clone()];
                let one = ran.iter().find(|one| one.range == statement.range);
                // It drops a role that other databases here know as well, and has no row to do with.
                if one.and_then(|one| one.loan.as_ref()).is_some_and(|loan| !loan.elsewhere.is_empty()) {
                    continue;
                }
                let text = match statement.kind {
                    Kind::Begin | Kind::Commit => continue,
                    Kind::Rollback | Kind::CopyIn | Kind::Database => return None,
                    Kind::NoTransaction => {
                        let pattern = CONCURRENTLY.as_ref()?;
                        if !pattern.is_match(text) {
                            continue;
                        }
                        pattern.replace_all(text, "").into_owned()
                    }
                    _ if made(text).is_some_and(|name| extensions.contains(&name)) => continue,
                    // An extension's script would be run again and again.
                    _ if reserved(text, Lend::Contained)
                        .is_some_and(|kept| kept.extension.is_some() || one.is_none_or(|one| one.elevated)) =>
                    {
                        return None;
                    }
                    _ => text.to_owned(),
                };
                let text = one.and_then(|one| one.loan.as_ref()).map_or(text.clone(), |loan| {
                    let text = loan.applied(&text, database);
                    let all = loan.before.iter().chain([&text]).chain(&loan.after);
                    all.map(String::as_str).collect::<Vec<_>>().join("\n;\n")
                });
                parts.push((statement.range, text));
            }
        }
        Some(Script { parts })
    }

    /// As one text.
    pub(super) fn text(&self) -> String {
        self.parts.iter().map(|(_, text)| format!("{text}\n;\n")).collect()
    }

    /// Its statements, each with its bytes in the file, where `recipes` are followed at the statements at these bytes; none where
    /// there is no such statement.
    pub(super) fn with(&self, recipes: &[(Range<usize>, Recipe)]) -> Option<Vec<(Range<usize>, String)>> {
        let is_there = |range: &Range<usize>| self.parts.iter().any(|(own, _)| own == range);
        if !recipes.iter().all(|(range, _)| is_there(range)) {
            return None;
        }
        let followed = |(own, text): &(Range<usize>, String)| {
            let recipe = recipes.iter().find(|(range, _)| range == own).map(|(_, recipe)| recipe);
            let added: String = recipe.iter().flat_map(|recipe| &recipe.sql).map(|sql| format!("{sql};\n")).collect();
            let text = match recipe.map(|recipe| recipe.place) {
                Some(RecipePlace::Instead) => added,
                _ => format!("{added}{text}\n;\n"),
            };
            (own.clone(), text)
        };
        Some(self.parts.iter().map(followed).collect())
    }
}

/// The extensions of the database that `client` is connected to, once those are made in it that the migration begins with: rows
/// are put in behind them, and its script need not make them each time. Only those for which the rights of whoever ran the
/// migration were enough, and none where it drops one.
pub(super) async fn extensions(source: &Source, ran: &[Executed], client: &Client) -> BTreeSet<String> {
    let whole = std::slice::from_ref(&source.body);
    let pieces = source.pieces.as_deref().unwrap_or(whole).iter();
    let statements = pieces.flat_map(|piece| sql::split_range(&source.text, piece.clone()).statements);
    let statements: Vec<_> = statements.filter(|one| !matches!(one.kind, Kind::Begin | Kind::Commit)).collect();
    let text = |range: &Range<usize>| &source.text[range.clone()];
    if statements.iter().any(|one| text(&one.range).to_ascii_lowercase().contains("drop extension")) {
        return BTreeSet::new();
    }
    let own = |range: &Range<usize>| {
        let one = ran.iter().find(|one| one.range == *range);
        one.is_some_and(|one| !one.elevated && one.loan.is_none())
    };
    for one in statements.iter().take_while(|one| made(text(&one.range)).is_some() && own(&one.range)) {
        let sql = format!("BEGIN; SET LOCAL client_min_messages = error; {}\n; COMMIT", text(&one.range));
        if client.batch_execute(&sql).await.is_err() {
            let _ = client.batch_execute("ROLLBACK").await;
            break;
        }
    }
    let there = client.query("SELECT extname::text FROM pg_catalog.pg_extension", &[]).await;
    there.map(|rows| rows.iter().map(|row| row.get(0)).collect()).unwrap_or_default()
}
