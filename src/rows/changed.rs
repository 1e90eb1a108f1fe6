//! Rows of the chain's own, changed: a table that takes no further row has those that migrations have put in, and
//! production may have given them other values since. And rows that a trigger gives other values when they are put in, and
//! that an UPDATE can give theirs.

use std::collections::BTreeSet;

use tokio_postgres::SimpleQueryMessage;

use super::baseline::{Refusal, Site, Wish};
use super::row::{Old, Row};
use super::schema::{Column, Table, Unique};
use super::values::{self, Sort};

impl Site<'_> {
    /// Gives a row that is there already what is wished, in the place of a row that the table refuses. Each further wish
    /// changes a further row.
    pub(super) async fn change(&mut self, wish: &Wish) -> Result<(), Refusal> {
        let schema = self.schema;
        let table = &schema.tables[wish.table];
        let asks = !wish.set.is_empty() || !wish.demands.is_empty() || !wish.filled.is_empty() || !wish.copy.is_empty();
        let own = || self.rows.iter().filter(|row| row.table == wish.table);
        if !asks || !self.is_old(wish.table) || own().any(|row| row.of.is_none()) {
            return Err(Refusal::There);
        }
        let before = own().next_back().cloned();
        let old = self.existing(wish.table, own().count()).await?.ok_or(Refusal::There)?;
        let mut row = Row { values: old.values.clone(), of: Some(old), ..Row::new(wish.table) };
        // What tells it from the others stays.
        let mut fixed: BTreeSet<i16> = table.columns.keys().copied().filter(|number| table.is_key(*number)).collect();
        for (number, value) in &wish.set {
            if !self.settable(wish.table, *number) {
                return Err(Refusal::There);
            }
            row.values.insert(*number, value.clone());
            fixed.insert(*number);
        }
        for number in &wish.copy {
            if let Some(value) = before.as_ref().and_then(|before| before.value(*number)) {
                row.values.insert(*number, value.clone());
                fixed.insert(*number);
            }
        }
        for number in wish.filled.iter().filter(|number| !fixed.contains(number)) {
            let points = table.foreign.iter().any(|key| key.columns.contains(number));
            let empty = row.values.get(number).is_none_or(|value| value == "NULL");
            if let (true, Some(column)) = (empty && !points, table.columns.get(number)) {
                row.values.insert(*number, values::typical(column, wish.n));
            }
        }
        self.insert(wish, &mut row, &fixed, &mut Vec::new()).await?;
        if !row.differs() {
            return Err(Refusal::There);
        }
        let Row { values, of, .. } = &mut row;
        values.retain(|number, value| of.as_ref().is_none_or(|old| old.values.get(number) != Some(value)));
        self.rows.push(row);
        Ok(())
    }

    /// Gives `row`, which was just put in, by an UPDATE what a trigger has put other values in the place of, and what the wish
    /// demands something of. Where that is refused, or no UPDATE finds the row alone, it stays as it is.
    pub(super) async fn insist(&self, wish: &Wish, row: &mut Row) -> Result<(), Refusal> {
        let schema = self.schema;
        let table = &schema.tables[wish.table];
        let mut given: Vec<(i16, &Column, String)> = Vec::new();
        for number in wish.demands.iter().flat_map(|(_, columns)| columns).copied().collect::<BTreeSet<i16>>() {
            if let (Some(column), Some(value), false) =
                (table.columns.get(&number), row.values.get(&number), table.is_key(number))
            {
                given.push((number, column, value.clone()));
            }
        }
        if given.is_empty() || table.triggers.is_none() {
            return Ok(());
        }
        let holds: Vec<String> = wish.demands.iter().map(|(text, _)| format!("({text})")).collect();
        let other = |(_, column, value): &(i16, &Column, String)| {
            format!(", {}::text IS DISTINCT FROM ({value}::{})::text", column.name, column.declared)
        };
        let others: String = given.iter().map(other).collect();
        let sql = format!("SELECT ({}) IS TRUE{others} FROM {}{}", holds.join(" AND "), table.name, row.place(table));
        let found = self.tried(&sql).await?;
        let [stored] = found.as_slice() else { return Ok(()) };
        if stored.first().is_none_or(|holds| holds == "t") {
            return Ok(());
        }
        let lost = given.into_iter().zip(stored.iter().skip(1)).filter(|(_, other)| *other == "t");
        row.again = lost.map(|((number, _, value), _)| (number, value)).collect();
        let Some(update) = row.update(schema) else { return Ok(()) };
        if self.tried(&format!("{update} RETURNING true")).await?.len() != 1 {
            row.again.clear();
        }
        Ok(())
    }

    /// The rows that a statement gives, as texts without NULLs; none where the server refuses it.
    async fn tried(&self, sql: &str) -> Result<Vec<Vec<String>>, Refusal> {
        let client = self.session.client();
        match client.simple_query(&format!("SAVEPOINT migd_row; {sql}; RELEASE SAVEPOINT migd_row")).await {
            Ok(messages) => {
                let row = |message| match message {
                    SimpleQueryMessage::Row(row) => {
                        Some((0..row.len()).map(|at| row.get(at).unwrap_or_default().to_owned()).collect())
                    }
                    _ => None,
                };
                Ok(messages.into_iter().filter_map(row).collect())
            }
            Err(_) => {
                let back = client.batch_execute("ROLLBACK TO SAVEPOINT migd_row").await;
                back.map(|()| Vec::new()).map_err(|_| Refusal::Lost)
            }
        }
    }

    /// The row of a table that comes after `skipped` others; none where there is none, or nothing tells it from the others.
    async fn existing(&self, at: usize, skipped: usize) -> Result<Option<Old>, Refusal> {
        let table = &self.schema.tables[at];
        let numbers: Vec<i16> = table.columns.keys().copied().filter(|number| self.settable(at, *number)).collect();
        let named = |number: &i16| table.columns.get(number).map(|column| column.name.as_str());
        let key = key(table);
        let order: Vec<&str> = key.iter().flat_map(|key| &key.columns).filter_map(named).collect();
        let order = if order.is_empty() { "ctid".to_owned() } else { order.join(", ") };
        let picks: String = numbers.iter().filter_map(named).map(|name| format!(", {name}::text")).collect();
        let sql = format!(
            "SAVEPOINT migd_row; SELECT (SELECT count(*) FROM (SELECT FROM {0} LIMIT 2) few){picks} FROM {0}
             ORDER BY {order} OFFSET {skipped} LIMIT 1; RELEASE SAVEPOINT migd_row",
            table.name
        );
        let client = self.session.client();
        let Ok(messages) = client.simple_query(&sql).await else {
            let back = client.batch_execute("ROLLBACK TO SAVEPOINT migd_row").await;
            return back.map(|()| None).map_err(|_| Refusal::Lost);
        };
        let found = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let Some(found) = found else { return Ok(None) };
        let literal = |number: &i16, text: Option<&str>| match (text, table.columns.get(number).map(values::sort)) {
            (None, _) => "NULL".to_owned(),
            (Some(text), Some(Sort::Integer(_) | Sort::Bool)) => text.to_owned(),
            (Some(text), _) => values::quote(text),
        };
        let values = numbers.iter().zip(1..).map(|(number, n)| (*number, literal(number, found.get(n)))).collect();
        let mut old = Old { values, place: String::new() };
        if found.get(0) != Some("1") {
            let equal = |number: &i16| {
                let value = old.values.get(number).filter(|value| *value != "NULL")?;
                Some(format!("{} = {value}", named(number)?))
            };
            let Some(key) = key else { return Ok(None) };
            let Some(parts) = key.columns.iter().map(equal).collect::<Option<Vec<_>>>() else { return Ok(None) };
            old.place = format!(" WHERE {}", parts.join(" AND "));
        }
        Ok(Some(old))
    }
}

/// The key that rows of a table are told apart by, the primary one if there is.
fn key(table: &Table) -> Option<&Unique> {
    let plain = |key: &&Unique| !key.expression && key.predicate.is_none() && !key.columns.is_empty();
    table.unique.iter().filter(plain).max_by_key(|key| key.primary)
}
