//! A migration as one text that can be run in a transaction and rolled back.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::layout::Source;
use crate::sql::{self, Kind};
use crate::trace::Executed;
use crate::trace::elevate::{Lend, reserved};
use crate::verdict::{Recipe, RecipePlace};

/// The statements of a migration without those that end a transaction or refuse to be in one.
pub(super) struct Script {
    parts: Vec<(Range<usize>, String)>,
}

impl Script {
    /// Of one direction, which `ran`, for a database of this name; none where it cannot be rolled back.
    pub(super) fn of(source: &Source, ran: &[Executed], database: &str) -> Option<Script> {
        static CONCURRENTLY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)\bconcurrently\b").ok());
        let whole = std::slice::from_ref(&source.body);
        let mut parts = Vec::new();
        for piece in source.pieces.as_deref().unwrap_or(whole) {
            for statement in sql::split_range(&source.text, piece.clone()).statements {
                let text = &source.text[statement.range.clone()];
                let one = ran.iter().find(|one| one.range == statement.range);
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

    /// The same where `recipe` is followed at the statement at `range`; none where there is no such statement.
    pub(super) fn with(&self, range: &Range<usize>, recipe: &Recipe) -> Option<String> {
        self.parts.iter().find(|(own, _)| own == range)?;
        let added: String = recipe.sql.iter().map(|sql| format!("{sql};\n")).collect();
        let text = |(own, text): &(Range<usize>, String)| match recipe.place {
            _ if own != range => format!("{text}\n;\n"),
            RecipePlace::Before => format!("{added}{text}\n;\n"),
            RecipePlace::Instead => added.clone(),
        };
        Some(self.parts.iter().map(text).collect())
    }
}
