//! Foreign keys that lead in a circle: where one of them can wait (`DEFERRABLE`), a row is put in before the one that it points to.

use std::collections::BTreeSet;

use super::baseline::{Refusal, Site, Wish};
use super::row::Row;
use super::schema::Foreign;
use super::values;
use crate::sql::identifier;

impl Site<'_> {
    /// Points a foreign key of `row` to what will be the key of the parent's row number `n`; whether the key can wait for it.
    pub(super) async fn point_ahead(
        &mut self,
        foreign: &Foreign,
        parent: usize,
        n: usize,
        row: &mut Row,
        fixed: &BTreeSet<i16>,
    ) -> Result<bool, Refusal> {
        let table = &self.schema.tables[row.table];
        for (own, theirs) in foreign.columns.iter().zip(&foreign.parent_columns) {
            if let (false, Some(column)) = (fixed.contains(own), self.schema.tables[parent].columns.get(theirs)) {
                row.values.insert(*own, values::key(column, n));
            }
        }
        let schema = table.name.strip_suffix(table.quoted()).unwrap_or_default();
        let name = identifier(&foreign.name);
        let sql = format!("SAVEPOINT migd_row; SET CONSTRAINTS {schema}{name} DEFERRED; RELEASE SAVEPOINT migd_row");
        if self.session.client().batch_execute(&sql).await.is_ok() {
            row.early = true;
            return Ok(true);
        }
        self.run("ROLLBACK TO SAVEPOINT migd_row").await.map(|()| false)
    }

    /// Marks where the rows stand that are to be taken back if one of `owed` cannot be put in.
    pub(super) async fn hold(&self, owed: &[Wish]) -> Result<(), Refusal> {
        if owed.is_empty() { Ok(()) } else { self.run("SAVEPOINT migd_owed").await }
    }

    /// Puts `owed` in, to which the row at `at` points; takes that one back where one of them is refused.
    pub(super) async fn pay(&mut self, at: usize, owed: Vec<Wish>, above: &mut Vec<usize>) -> Result<(), Refusal> {
        if owed.is_empty() {
            return Ok(());
        }
        let table = self.rows[at].table;
        for parent in owed {
            if let Err(refusal) = self.put_above(table, parent, above).await {
                self.run("ROLLBACK TO SAVEPOINT migd_owed; RELEASE SAVEPOINT migd_owed").await?;
                self.rows.truncate(at);
                return Err(refusal);
            }
        }
        self.run("RELEASE SAVEPOINT migd_owed").await
    }

    /// Whether all keys find what they point to; `table` is told where they do not.
    pub(super) async fn settle(&self, table: usize) -> Result<(), Refusal> {
        let Err(error) = self.session.client().batch_execute("SET CONSTRAINTS ALL IMMEDIATE").await else {
            return Ok(());
        };
        let said = error.as_db_error().map(|error| error.message().to_owned()).ok_or(Refusal::Lost)?;
        Err(Refusal::Refused(self.schema.tables[table].name.clone(), said))
    }

    async fn run(&self, sql: &str) -> Result<(), Refusal> {
        self.session.client().batch_execute(sql).await.map_err(|_| Refusal::Lost)
    }
}
