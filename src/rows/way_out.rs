//! Ways out of a failure, run: those with which the migration passes over the rows that break it.

use std::ops::Range;

use super::remedy::Remedy;
use super::row::Row;
use super::search::{Search, counts};
use crate::trace::{Failure, ServerError};
use crate::verdict::{Amendment, Recipe};

/// How many ways out are shown for one failure.
const RECIPES: usize = 2;
/// How many statements besides the one that fails first a way out may change.
const FURTHER: usize = 3;

impl Search<'_> {
    /// The ways out that make the migration pass over these rows.
    pub(super) async fn recipes(
        &self,
        remedy: &Remedy<'_>,
        failure: &Failure,
        rows: &[Row],
        extra: &[String],
    ) -> Vec<Recipe> {
        let mut passed = Vec::new();
        let (Some(script), Some(range)) = (&self.script, &failure.range) else { return passed };
        let recipes = remedy.recipes();
        for recipe in &recipes {
            let Some(mended) = script.with(&[(range.clone(), recipe.clone())]) else { break };
            let mended: String = mended.into_iter().map(|(_, text)| text).collect();
            if self.place(rows, extra).await && self.passes(&mended).await {
                passed.push(recipe.clone());
            }
            if passed.len() == RECIPES {
                break;
            }
        }
        if let (true, Some(first)) = (passed.is_empty(), recipes.into_iter().next()) {
            passed.extend(self.completed(remedy, (range.clone(), first), rows, extra).await);
        }
        passed
    }

    async fn passes(&self, script: &str) -> bool {
        let client = self.held.runner.client();
        client.batch_execute(script).await.is_ok()
            && client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE").await.is_ok()
    }

    /// `first` with what is to be done about further statements that fail over the same rows once it is followed.
    async fn completed(
        &self,
        remedy: &Remedy<'_>,
        first: (Range<usize>, Recipe),
        rows: &[Row],
        extra: &[String],
    ) -> Option<Recipe> {
        let text = &self.job.source.text;
        let mut all = vec![first];
        while all.len() <= FURTHER + 1 {
            let parts = self.script.as_ref()?.with(&all)?;
            if !self.place(rows, extra).await {
                return None;
            }
            let Some((range, error)) = self.stumbles(&parts).await else { return together(all, text) };
            let error = ServerError { server: remedy.error.server.clone(), ..error? };
            if !counts(&error) || all.iter().any(|(own, _)| *own == range) {
                return None;
            }
            let statement = text.get(range.clone())?;
            let next = Remedy { error: &error, statement, ..*remedy }.recipes().into_iter().next()?;
            all.push((range, next));
        }
        None
    }

    /// The first of `parts` that fails, with what the server says; none where all pass.
    async fn stumbles(&self, parts: &[(Range<usize>, String)]) -> Option<(Range<usize>, Option<ServerError>)> {
        let client = self.held.runner.client();
        for (range, text) in parts {
            if let Err(error) = client.batch_execute(text).await {
                return Some((range.clone(), error.as_db_error().map(ServerError::from)));
            }
        }
        let settled = client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE").await;
        settled.err().map(|_| (0..0, None))
    }
}

/// Several recipes at their statements as one.
fn together(all: Vec<(Range<usize>, Recipe)>, text: &str) -> Option<Recipe> {
    let mut all = all.into_iter();
    let (_, mut recipe) = all.next()?;
    for (range, further) in all {
        if !recipe.how.contains(&further.how) {
            recipe.how = format!("{}; {}", recipe.how, further.how);
        }
        recipe.later.extend(further.later);
        let statement = text.get(range)?.to_owned();
        recipe.also.push(Amendment { statement, place: further.place, sql: further.sql });
    }
    Some(recipe)
}
