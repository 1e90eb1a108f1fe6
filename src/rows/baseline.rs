//! Rows that the schema before accepts: made up, put in, and mended where the server refuses them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio_postgres::error::DbError;

use super::row::Row;
use super::schema::{Column, Foreign, Schema, Table};
use super::{mend, values};
use crate::engine::session::Session;

/// How often one row is mended.
const MENDS: usize = 14;
/// How many ancestors a row may have above each other.
const DEPTH: usize = 8;
/// How many combinations of values a condition is tried with.
const COMBINATIONS: usize = 20_000;

/// A row that is wanted.
#[derive(Debug, Clone, Default)]
pub(super) struct Wish {
    /// The table.
    pub(super) table: usize,
    /// Tells rows of one table apart.
    pub(super) n: usize,
    /// NULL wherever it is allowed.
    pub(super) sparse: bool,
    /// What must be so.
    pub(super) set: BTreeMap<i16, String>,
    /// What is as in the row of the same table before.
    pub(super) copy: BTreeSet<i16>,
    /// Must have a value that is not NULL, and not by default.
    pub(super) filled: BTreeSet<i16>,
    /// Conditions that must be true, with their columns.
    pub(super) demands: Vec<(String, Vec<i16>)>,
    /// As in the row before wherever no key forbids it.
    pub(super) twin: bool,
}

/// Why there is no such row.
#[derive(Debug, Clone)]
pub(super) enum Refusal {
    /// No row that was tried is accepted; the table and the server's reason.
    Refused(String, String),
    /// A trigger, or something else, has put such a row in already.
    There,
    /// The session is gone.
    Lost,
}

/// The rows of one try, in the order in which they are put in.
pub(super) struct Site<'a> {
    pub(super) session: &'a Session,
    pub(super) schema: &'a Schema,
    /// What production has: tables and columns that the same change creates are left alone.
    pub(super) production: &'a Schema,
    pub(super) rows: Vec<Row>,
    /// Whether partitions may be made where no partition takes a row.
    pub(super) opens: bool,
    /// What made a condition true, by table and column: used again.
    learned: HashMap<(usize, i16), Option<String>>,
}

impl<'a> Site<'a> {
    /// An empty site.
    pub(super) fn new(session: &'a Session, schema: &'a Schema, production: &'a Schema) -> Site<'a> {
        Site { session, schema, production, rows: Vec::new(), opens: false, learned: HashMap::new() }
    }

    /// The same, which makes partitions where `opens`.
    pub(super) fn opening(self, opens: bool) -> Site<'a> {
        Site { opens, ..self }
    }

    /// Whether production has the table.
    pub(super) fn is_old(&self, table: usize) -> bool {
        self.production.named(&self.schema.tables[table].name).is_some()
    }

    /// Whether production has the column, and a value can be given for it.
    pub(super) fn settable(&self, table: usize, number: i16) -> bool {
        let table = &self.schema.tables[table];
        let Some(column) = table.columns.get(&number) else { return false };
        !column.generated && self.production.named(&table.name).is_some_and(|old| old.column(&column.bare).is_some())
    }

    /// Puts the wished row in, and its ancestors before it; the place of the row.
    pub(super) async fn put(&mut self, wish: &Wish) -> Result<usize, Refusal> {
        let kept = self.rows.len();
        let first = self.put_within(wish.clone(), &mut Vec::new()).await;
        match first {
            // A row with NULLs may be refused by an arc where a full one is not.
            Err(Refusal::Refused(..)) if wish.sparse && wish.demands.is_empty() => {
                // Ancestors that are in already are in the transaction as well: they stay.
                let _ = kept;
                self.put_within(Wish { sparse: false, ..wish.clone() }, &mut Vec::new()).await
            }
            other => other,
        }
    }

    pub(super) async fn put_within(&mut self, wish: Wish, above: &mut Vec<usize>) -> Result<usize, Refusal> {
        let schema = self.schema;
        let table = &schema.tables[wish.table];
        let refused = |why: &str| Refusal::Refused(table.name.clone(), why.to_owned());
        if !self.is_old(wish.table) {
            return Err(refused("the same change creates the table"));
        }
        let mut row = Row::new(wish.table);
        let before = self.rows.iter().rev().find(|row| row.table == wish.table).cloned();
        let mut fixed: BTreeSet<i16> = BTreeSet::new();
        for (number, value) in &wish.set {
            if !self.settable(wish.table, *number) {
                return Err(refused("the column cannot be set"));
            }
            row.values.insert(*number, value.clone());
            fixed.insert(*number);
        }
        for number in &wish.copy {
            if let Some(value) = before.as_ref().and_then(|before| before.values.get(number)) {
                row.values.insert(*number, value.clone());
                fixed.insert(*number);
            }
        }
        for (number, column) in &table.columns {
            if row.values.contains_key(number) || !self.settable(wish.table, *number) {
                continue;
            }
            let key = table.is_key(*number);
            if wish.twin
                && !key
                && let Some(before) = &before
            {
                if let Some(value) = before.values.get(number) {
                    row.values.insert(*number, value.clone());
                }
                continue;
            }
            if let Some(value) = self.ordinary(&wish, *number, column, key) {
                row.values.insert(*number, value);
            }
        }
        let mut owed = Vec::new();
        for foreign in &table.foreign {
            owed.extend(self.point(&wish, foreign, &mut row, &fixed, above).await?);
        }
        let at = self.rows.len();
        self.hold(&owed).await?;
        self.insert(&wish, &mut row, &fixed, above).await?;
        self.insist(&wish, &mut row).await?;
        self.rows.push(row);
        self.pay(at, owed, above).await?;
        Ok(at)
    }

    /// What a column gets that nothing is wished of; none for its default.
    fn ordinary(&self, wish: &Wish, number: i16, column: &Column, key: bool) -> Option<String> {
        let table = &self.schema.tables[wish.table];
        let filled = wish.filled.contains(&number);
        if !filled && let Some(learned) = self.learned.get(&(wish.table, number)) {
            return Some(learned.clone().unwrap_or_else(|| "NULL".to_owned()));
        }
        let referenced = self.schema.tables.iter().any(|other| {
            other.foreign.iter().any(|key| key.parent == table.oid && key.parent_columns.contains(&number))
        });
        if key || referenced {
            return Some(values::key(column, wish.n));
        }
        if filled {
            return Some(values::typical(column, wish.n));
        }
        if column.default.is_some() || column.sequence {
            return (wish.sparse && !column.not_null).then(|| "NULL".to_owned());
        }
        if column.not_null {
            return Some(values::typical(column, wish.n));
        }
        (!wish.sparse).then(|| values::typical(column, wish.n))
    }

    /// Points a foreign key of `row` to a row of its parent, which is made when there is none. The parent's that is to be put in
    /// behind it, where it cannot be put in before.
    async fn point(
        &mut self,
        wish: &Wish,
        foreign: &Foreign,
        row: &mut Row,
        fixed: &BTreeSet<i16>,
        above: &mut Vec<usize>,
    ) -> Result<Option<Wish>, Refusal> {
        let schema = self.schema;
        let table = &schema.tables[wish.table];
        let null = |row: &Row, number: &i16| row.values.get(number).is_some_and(|value| value == "NULL");
        let settable = foreign.columns.iter().all(|number| self.settable(wish.table, *number));
        if !settable || foreign.columns.iter().any(|number| null(row, number)) {
            return Ok(None);
        }
        if foreign.columns.iter().all(|number| fixed.contains(number)) {
            return Ok(None);
        }
        let nullable = foreign.columns.iter().any(|number| {
            table.columns.get(number).is_some_and(|column| !column.not_null && !wish.filled.contains(number))
                && !fixed.contains(number)
        });
        let leave = |row: &mut Row| {
            for number in foreign.columns.iter().filter(|number| !fixed.contains(number)) {
                if table.columns.get(number).is_some_and(|column| !column.not_null) {
                    row.values.insert(*number, "NULL".to_owned());
                }
            }
        };
        if nullable && (wish.sparse || self.learned.get(&(wish.table, foreign.columns[0])) == Some(&None)) {
            leave(row);
            return Ok(None);
        }
        let Some(parent) = schema.find(foreign.parent) else { return Ok(None) };
        if parent == wish.table {
            if nullable {
                leave(row);
            } else {
                for (own, theirs) in foreign.columns.iter().zip(&foreign.parent_columns) {
                    if let (false, Some(value)) = (fixed.contains(own), row.values.get(theirs).cloned()) {
                        row.values.insert(*own, value);
                    }
                }
            }
            return Ok(None);
        }
        // One parent for all, unless every row needs one of its own.
        let own = table.unique.iter().any(|unique| {
            unique.predicate.is_none() && unique.columns.iter().all(|number| foreign.columns.contains(number))
        });
        let n = if own { wish.n } else { 0 };
        let mut of_parent = self.rows.iter().enumerate().filter(|(_, row)| row.table == parent);
        let found = if own { of_parent.nth(n) } else { of_parent.next() }.map(|(at, _)| at);
        let at = match found {
            Some(at) => at,
            None if !may_be_made(parent, above) || !self.is_old(parent) => {
                leave(row);
                // A deferred key may point to the row that is being made.
                if !nullable {
                    self.point_ahead(foreign, parent, n, row, fixed).await?;
                }
                return Ok(None);
            }
            None => {
                let wanted = Wish { table: parent, n, ..Wish::default() };
                match self.put_above(wish.table, wanted.clone(), above).await {
                    Ok(at) => at,
                    Err(Refusal::Refused(..) | Refusal::There) if nullable => {
                        leave(row);
                        return Ok(None);
                    }
                    // It may point back to this one, and this one's key be the one that can wait.
                    Err(Refusal::Refused(table, why)) => {
                        return match self.point_ahead(foreign, parent, n, row, fixed).await? {
                            true => Ok(Some(wanted)),
                            false => Err(Refusal::Refused(table, why)),
                        };
                    }
                    Err(other) => return Err(other),
                }
            }
        };
        self.take_key(foreign, at, row, fixed);
        Ok(None)
    }

    /// Puts in what a row of `table` points to.
    pub(super) async fn put_above(
        &mut self,
        table: usize,
        wanted: Wish,
        above: &mut Vec<usize>,
    ) -> Result<usize, Refusal> {
        above.push(table);
        let put = Box::pin(self.put_within(wanted, above)).await;
        above.pop();
        put
    }

    /// Gives `row` the key of the parent at `at`.
    pub(super) fn take_key(&self, foreign: &Foreign, at: usize, row: &mut Row, fixed: &BTreeSet<i16>) {
        let parent = &self.rows[at];
        let table = &self.schema.tables[parent.table];
        let value = |theirs: &i16| {
            // What a sequence has filled, or the server or a trigger computed, is known to the server alone.
            let made = table.columns.get(theirs).and_then(|column| match column.sequence {
                _ if parent.remade.contains(theirs) => Some(looked_up(table, column, parent)),
                true => Some(format!("(SELECT max({}) FROM {})", column.name, table.name)),
                false if column.generated => Some(looked_up(table, column, parent)),
                false => None,
            });
            parent.value(*theirs).cloned().or(made)
        };
        for (own, theirs) in foreign.columns.iter().zip(&foreign.parent_columns) {
            if let (false, Some(value)) = (fixed.contains(own), value(theirs)) {
                row.values.insert(*own, value);
            }
        }
    }

    /// Inserts `row`, or changes it, and mends what the server refuses. `above`: the tables whose rows wait for it.
    pub(super) async fn insert(
        &mut self,
        wish: &Wish,
        row: &mut Row,
        fixed: &BTreeSet<i16>,
        above: &mut Vec<usize>,
    ) -> Result<(), Refusal> {
        let schema = self.schema;
        let table = &schema.tables[wish.table];
        let mut conditions = wish.demands.clone();
        if !conditions.is_empty() {
            self.solve(wish, row, fixed, &conditions).await?;
        }
        let mut last = String::new();
        for attempt in 0..MENDS {
            let sql = format!("SAVEPOINT migd_row; {}; RELEASE SAVEPOINT migd_row", row.statement(schema));
            let error = match self.session.client().batch_execute(&sql).await {
                Ok(()) => {
                    row.remade = self.remade(row).await;
                    return Ok(());
                }
                Err(error) => error,
            };
            let Some(error) = error.as_db_error().cloned() else { return Err(Refusal::Lost) };
            let back = self.session.client().batch_execute("ROLLBACK TO SAVEPOINT migd_row").await;
            back.map_err(|_| Refusal::Lost)?;
            let said = error.message().to_owned();
            let mended = match error.code().code() {
                "23514" => {
                    self.obey(wish, row, fixed, &mut conditions, &error, attempt).await
                        || self.open(row, &error).await
                        || self.unfold(wish, row, fixed)
                }
                "23505" => {
                    self.differ(row, fixed, table, &error, attempt)
                        || self.point_elsewhere(wish, row, fixed, error.constraint(), attempt, above).await
                }
                "23503" => self.adopt(wish, row, error.constraint(), above).await,
                "23P01" => mend::shift(row, fixed, table, error.constraint(), attempt),
                // A default that reads the sequence wants it used.
                "55000" if attempt == 0 => mend::leave_sequences(row, fixed, table),
                "23502" if self.fill(wish, row, fixed, error.column()) => true,
                // What a trigger or a function makes of a text, or of a member of JSON, may be what is refused.
                "23502" | "P0001" if self.unfold(wish, row, fixed) => true,
                "23502" | "P0001" if self.reword(wish, row, fixed, attempt) => true,
                "22023" if mend::reshape(row, fixed, table, &said) => true,
                code if code.starts_with("22") && self.unfold(wish, row, fixed) => true,
                code if code.starts_with("22") && self.reword(wish, row, fixed, attempt) => true,
                // A value is not one of its type, or too long: leave out what can be.
                code if code.starts_with("22") => {
                    let odd = table.columns.iter().find(|(number, column)| {
                        row.values.get(number).is_some_and(|value| value != "NULL")
                            && !fixed.contains(number)
                            && !column.not_null
                            && (values::sort(column) == values::Sort::Other || column.domain.is_some())
                    });
                    odd.map(|(number, _)| row.values.insert(*number, "NULL".to_owned())).is_some()
                }
                _ => false,
            };
            if !mended && error.code().code() == "23505" && !fixed.iter().any(|number| table.is_key(*number)) {
                return Err(Refusal::There);
            }
            if !mended {
                return Err(Refusal::Refused(table.name.clone(), said));
            }
            last = said;
        }
        Err(Refusal::Refused(table.name.clone(), last))
    }

    /// Mends a row that a CHECK refuses.
    async fn obey(
        &mut self,
        wish: &Wish,
        row: &mut Row,
        fixed: &BTreeSet<i16>,
        conditions: &mut Vec<(String, Vec<i16>)>,
        error: &DbError,
        attempt: usize,
    ) -> bool {
        let schema = self.schema;
        let table = &schema.tables[wish.table];
        let check = table.checks.iter().find(|check| Some(check.name.as_str()) == error.constraint());
        if let Some(check) = check {
            if conditions.iter().any(|(text, _)| *text == check.text) {
                return false;
            }
            conditions.push((check.text.clone(), check.columns.clone()));
            return self.solve(wish, row, fixed, conditions).await.is_ok();
        }
        // The domain of some column.
        for (number, column) in &table.columns {
            let Some(domain) = column.domain.as_ref().filter(|_| !fixed.contains(number)) else { continue };
            if !row.values.contains_key(number) || error.datatype().is_none_or(|name| !column.declared.contains(name)) {
                continue;
            }
            let text = domain.replace("VALUE", &column.name);
            let text = text.replace("CHECK ", " AND ");
            let text = format!("true {text}");
            if conditions.iter().any(|(known, _)| *known == text) {
                continue;
            }
            conditions.push((text, vec![*number]));
            return self.solve(wish, row, fixed, conditions).await.is_ok();
        }
        // No partition takes it.
        if table.bounds.is_empty() {
            return false;
        }
        let literals = values::mentioned(&table.bounds.join(" "));
        let mut tries = literals.iter().flat_map(|literal| {
            table
                .columns
                .iter()
                .filter(|(number, _)| !fixed.contains(number))
                .filter_map(move |(number, column)| values::fitting(column, literal).map(|value| (*number, value)))
        });
        match tries.nth(attempt) {
            Some((number, value)) => {
                row.values.insert(number, value);
                true
            }
            None => false,
        }
    }

    /// Finds values for the columns of `conditions` that make all of them true, by asking the server.
    async fn solve(
        &mut self,
        wish: &Wish,
        row: &mut Row,
        fixed: &BTreeSet<i16>,
        conditions: &[(String, Vec<i16>)],
    ) -> Result<(), Refusal> {
        let schema = self.schema;
        let table = &schema.tables[wish.table];
        let refused = |why: String| Refusal::Refused(table.name.clone(), why);
        let text: String = conditions.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(" ");
        let numbers: BTreeSet<i16> = conditions.iter().flat_map(|(_, columns)| columns.iter().copied()).collect();
        let mut lists: Vec<(i16, &Column, Vec<String>)> = Vec::new();
        for number in numbers {
            let Some(column) = table.columns.get(&number) else { continue };
            let points = table.foreign.iter().any(|key| key.columns.contains(&number));
            let mut list = Vec::new();
            list.extend(row.values.get(&number).cloned());
            if !fixed.contains(&number) && self.settable(wish.table, number) {
                if !points {
                    list.extend(values::candidates(column, &text, wish.n));
                } else {
                    let all = values::candidates(column, &text, wish.n).into_iter();
                    list.extend(all.filter(|value| mend::may_be_a_key(column, value)));
                }
                if !column.not_null && !wish.filled.contains(&number) {
                    list.push("NULL".to_owned());
                }
            }
            if list.is_empty() {
                list.push("NULL".to_owned());
            }
            let mut seen = BTreeSet::new();
            list.retain(|value| seen.insert(value.clone()));
            lists.push((number, column, list));
        }
        // A condition over dozens of columns has more combinations than a number can hold.
        let combinations = |lists: &[(i16, &Column, Vec<String>)]| {
            lists.iter().fold(1_usize, |product, (_, _, list)| product.saturating_mul(list.len()))
        };
        while combinations(&lists) > COMBINATIONS {
            let Some((_, _, longest)) = lists.iter_mut().max_by_key(|(_, _, list)| list.len()) else { break };
            // NULL stands last and is worth more than one more number.
            let at = longest.len().saturating_sub(2);
            longest.remove(at);
        }
        let picks: Vec<String> = (0..lists.len()).map(|at| format!("\"migd {at}\"")).collect();
        let from: Vec<String> = lists
            .iter()
            .enumerate()
            .map(|(at, (_, column, list))| {
                let values: Vec<String> =
                    list.iter().enumerate().map(|(n, value)| format!("({n}, {value}::{})", column.base)).collect();
                format!("(VALUES {}) AS v{at} (\"migd {at}\", {})", values.join(", "), column.name)
            })
            .collect();
        let tests: Vec<String> = conditions.iter().map(|(text, _)| format!("({text})")).collect();
        let sql = format!(
            "SAVEPOINT migd_row; SELECT {} FROM {} WHERE ({}) IS TRUE ORDER BY {}, {} LIMIT 1; RELEASE SAVEPOINT migd_row",
            picks.join(", "),
            from.join(" CROSS JOIN "),
            tests.iter().map(|test| format!("{test} IS NOT FALSE")).collect::<Vec<_>>().join(" AND "),
            picks.join(" + "),
            picks.join(", "),
        );
        if lists.is_empty() {
            return Err(refused("the condition has no column".to_owned()));
        }
        match self.session.client().simple_query(&sql).await {
            Ok(messages) => {
                let found = messages.iter().find_map(|message| match message {
                    tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
                    _ => None,
                });
                let Some(found) = found else {
                    return Err(refused(format!("no values were found for {text}")));
                };
                for (at, (number, _, list)) in lists.iter().enumerate() {
                    let picked = found.get(at).and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
                    let value = list[picked].clone();
                    if wish.demands.is_empty() && !fixed.contains(number) && !table.is_key(*number) {
                        let points = table.foreign.iter().any(|key| key.columns.contains(number));
                        let known = Some(value.clone()).filter(|value| value != "NULL");
                        if known.is_none() || !points {
                            self.learned.insert((wish.table, *number), known);
                        }
                    }
                    if value == "NULL" || !fixed.contains(number) {
                        row.values.insert(*number, value);
                    }
                }
                Ok(())
            }
            Err(error) => {
                let Some(said) = error.as_db_error() else { return Err(Refusal::Lost) };
                let said = said.message().to_owned();
                let back = self.session.client().batch_execute("ROLLBACK TO SAVEPOINT migd_row").await;
                back.map_err(|_| Refusal::Lost)?;
                Err(refused(said))
            }
        }
    }
}

/// Whether a row of `table` may be made for one that points to it, below the rows of `above` that wait for that: keys that lead
/// in a circle would go on for ever.
pub(super) fn may_be_made(table: usize, above: &[usize]) -> bool {
    !above.contains(&table) && above.len() < DEPTH
}

/// The value that the server has computed for `column` in `row`, as a query that finds the row by what it was given.
fn looked_up(table: &Table, column: &Column, row: &Row) -> String {
    let told = row.values.iter().filter_map(|(number, value)| {
        let known = table.columns.get(number).filter(|_| value != "NULL" && !row.remade.contains(number))?;
        let comparable = matches!(known.kind.as_str(), "text" | "varchar" | "int2" | "int4" | "int8" | "uuid" | "bool");
        comparable.then(|| format!("{} = {value}", known.name))
    });
    let told: Vec<String> = told.collect();
    let found = if told.is_empty() { String::new() } else { format!(" WHERE {}", told.join(" AND ")) };
    format!("(SELECT {} FROM {}{found} LIMIT 1)", column.name, table.name)
}
