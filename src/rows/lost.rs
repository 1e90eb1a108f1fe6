//! What a migration that succeeds takes from ordinary rows: counted and compared, table by table, value by value.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::SimpleQueryMessage;

use super::baseline::{Site, Wish};
use super::fate::{Fate, Readers};
use super::row::Row;
use super::schema::{Column, Table};
use super::script::Script;
use super::values::{self, Sort};
use super::{Job, Loss, Lost};
use super::{kept, mend};
use crate::engine::session::Session;
use crate::pool::Held;

/// The rows of one table: values as texts by column, by the key of each row.
pub(super) type Rows = BTreeMap<String, BTreeMap<i16, Value>>;

/// One value, as what it was before and as what it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    /// As a text of the type before; none for NULL.
    old: Option<String>,
    /// As a text of its own type.
    pub(super) own: Option<String>,
    /// As JSON, where its column has another type afterwards.
    json: Option<String>,
}

/// From here on typical values are none that ordinary rows have.
const UNLIKE: usize = 10;

/// How many columns are read at once: a query gives no more than 1664 values, and each column takes three.
const AT_ONCE: usize = 500;

/// One table with rows in it.
struct Watched {
    at: usize,
    /// How many rows were put in.
    placed: u64,
    /// How many there are, with those that the chain itself inserts.
    count: u64,
    rows: Option<Rows>,
}

pub(super) struct Losses<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) session: &'a Session,
    database: &'a str,
    /// What the migration says of columns and tables.
    pub(super) readers: Readers,
    /// The last command before the migration: what it writes has later ones.
    pub(super) placed_until: i64,
    found: Vec<Loss>,
}

/// Runs up, then down, over ordinary rows in `touched`, and compares. Where down fails, the rows.
pub(super) async fn losses(
    job: &Job<'_>,
    held: &Held,
    script: &Script,
    touched: &[usize],
) -> (Vec<Loss>, Option<Vec<Row>>) {
    let script = script.text();
    let readers = Readers::of(&job.source.text[job.source.body.clone()]);
    let mut losses =
        Losses { job, session: &held.runner, database: &held.database, readers, placed_until: 0, found: Vec::new() };
    let mut stuck = None;
    // Two rows a table, with values that a narrower type would cut; then one, with values that it takes.
    for rich in [true, false] {
        let Some((watched, rows)) = losses.place(touched, rich).await else { continue };
        let tables = || watched.iter().map(|watched| &job.before.tables[watched.at]);
        if losses.readers.is_any() && tables().any(|table| losses.loses_a_column(table)) {
            losses.placed_until = losses.last_command(tables()).await;
        }
        if losses.run(&script).await {
            losses.compare(&watched).await;
            let reverts = losses.revert(&watched).await;
            stuck = Some(rows).filter(|_| !reverts);
            break;
        }
    }
    (losses.found, stuck)
}

impl Losses<'_> {
    /// Ordinary rows in a new transaction.
    async fn place(&self, touched: &[usize], rich: bool) -> Option<(Vec<Watched>, Vec<Row>)> {
        let job = self.job;
        let client = self.session.client();
        let begin = "ROLLBACK; DISCARD SEQUENCES; BEGIN; SET LOCAL statement_timeout = 2000; SET LOCAL client_min_messages = error";
        client.batch_execute(begin).await.ok()?;
        // Ordinary rows have the parents that new keys ask for.
        let ordinary = job.before.with_keys_of(job.after);
        let opens = mend::may_open(&job.source.text);
        let mut site = Site::new(self.session, &ordinary, job.production).opening(opens);
        for at in touched {
            let set = if rich { self.precise(*at) } else { BTreeMap::new() };
            let plain = Wish { table: *at, ..Wish::default() };
            if set.is_empty() || site.put(&Wish { set, ..plain.clone() }).await.is_err() {
                let _ = site.put(&plain).await;
            }
            if rich {
                let _ = site.put(&Wish { n: 1, ..plain }).await;
            }
        }
        let mut placed: BTreeMap<usize, u64> = BTreeMap::new();
        site.rows.iter().for_each(|row| *placed.entry(row.table).or_default() += 1);
        client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE").await.ok()?;
        let mut watched = Vec::new();
        for (at, placed) in placed {
            let table = &job.before.tables[at];
            let rows = self.read(table, &table.name, table).await;
            watched.push(Watched { at, placed, count: self.count(&table.name).await.unwrap_or(0), rows });
        }
        Some((watched, site.rows))
    }

    /// Values that a column's new type may cut, and for a column that goes those that no other has by chance.
    fn precise(&self, at: usize) -> BTreeMap<i16, String> {
        let table = &self.job.before.tables[at];
        let Some(after) = self.job.after.get(table.oid) else { return BTreeMap::new() };
        let retyped = |(number, column): (&i16, &Column)| {
            let value = match after.columns.get(number) {
                Some(new) if new.declared != column.declared => values::precise(column, new)?,
                Some(_) => return None,
                None if matches!(values::sort(column), Sort::Text | Sort::Integer(_) | Sort::Number) => {
                    values::typical(column, UNLIKE + usize::try_from(*number).unwrap_or(0))
                }
                None => return None,
            };
            let key = table.is_key(*number) || table.foreign.iter().any(|key| key.columns.contains(number));
            Some((*number, value)).filter(|_| !key)
        };
        table.columns.iter().filter_map(retyped).collect()
    }

    /// Whether a column of `table` goes, and the table stays.
    fn loses_a_column(&self, table: &Table) -> bool {
        let after = self.job.after.get(table.oid);
        after.is_some_and(|after| table.columns.keys().any(|number| !after.columns.contains_key(number)))
    }

    async fn run(&self, script: &str) -> bool {
        let client = self.session.client();
        client.batch_execute(script).await.is_ok()
            && client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE").await.is_ok()
    }

    async fn count(&self, name: &str) -> Option<u64> {
        let row = self.session.client().query_one(&format!("SELECT count(*) FROM {name}"), &[]).await.ok()?;
        u64::try_from(row.get::<_, i64>(0)).ok()
    }

    /// Shows the owner the rows that a migration has hidden from it as from everybody else: they are not gone. Its transaction is
    /// rolled back.
    async fn unhide(&self, name: &str) {
        let sql = "SELECT FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($1) AND relforcerowsecurity";
        let client = self.session.client();
        if !client.query_opt(sql, &[&name]).await.is_ok_and(|row| row.is_some()) {
            return;
        }
        let sql = format!("SAVEPOINT migd_hidden; ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY");
        if client.batch_execute(&sql).await.is_err() {
            let _ = client.batch_execute("ROLLBACK TO SAVEPOINT migd_hidden").await;
        }
    }

    /// Whether the table that had this number is a partition now: its rows are in another one's.
    async fn is_partition(&self, oid: u32) -> bool {
        let sql = "SELECT FROM pg_catalog.pg_class WHERE oid = $1 AND relispartition";
        self.session.client().query_opt(sql, &[&oid]).await.is_ok_and(|row| row.is_some())
    }

    /// The rows of `table` (as it was before), which is now called `name` and has the columns of `now`. None where no key
    /// tells its rows apart, or the values cannot be compared.
    async fn read(&self, table: &Table, name: &str, now: &Table) -> Option<Rows> {
        let key = key(table, now)?;
        let numbers: Vec<i16> =
            table.columns.keys().copied().filter(|number| now.columns.contains_key(number)).collect();
        let mut rows = Rows::new();
        for numbers in numbers.chunks(AT_ONCE) {
            let mut picks = vec![key.clone()];
            for number in numbers {
                let name = &now.columns.get(number)?.name;
                picks.extend([as_before(table, now, *number)?, format!("{name}::text")]);
                picks.push(match self.is_retyped(table, *number) {
                    true => format!("pg_catalog.to_jsonb({name})::text"),
                    false => "NULL".to_owned(),
                });
            }
            let sql = format!("SAVEPOINT migd_read; SELECT {} FROM {name} LIMIT 1000", picks.join(", "));
            let client = self.session.client();
            let Ok(messages) = client.simple_query(&sql).await else {
                let _ = client.batch_execute("ROLLBACK TO SAVEPOINT migd_read").await;
                return None;
            };
            for message in messages {
                let SimpleQueryMessage::Row(row) = message else { continue };
                let text = |at: usize| row.get(at).map(str::to_owned);
                let value = |(n, number): (usize, &i16)| {
                    let [old, own, json] = [1, 2, 3].map(|part| text(part + 3 * n));
                    (*number, Value { old, own, json })
                };
                rows.entry(text(0)?).or_default().extend(numbers.iter().enumerate().map(value));
            }
        }
        Some(rows)
    }

    /// Whether up gives a column of `table` another type.
    fn is_retyped(&self, table: &Table, number: i16) -> bool {
        let declared = |table: &Table| table.columns.get(&number).map(|column| column.declared.clone());
        self.job.after.get(table.oid).is_some_and(|after| declared(after) != declared(table))
    }

    /// What is other after up.
    async fn compare(&mut self, watched: &[Watched]) {
        let job = self.job;
        // What is put into a partition is put into its table.
        let filled = "SELECT coalesce(pg_catalog.pg_partition_root(relid)::oid, relid)
            FROM pg_catalog.pg_stat_xact_user_tables WHERE n_tup_ins > 0";
        let filled = self.session.client().query(filled, &[]).await.unwrap_or_default();
        // Rows that go elsewhere first are not lost.
        let moved = filled.iter().any(|row| job.before.get(row.get(0)).is_none());
        for Watched { at, placed, count: was, rows } in watched {
            let table = &job.before.tables[*at];
            let all = Some(format!("SELECT count(*) FROM {}", table.name));
            let Some(after) = job.after.get(table.oid) else {
                if !moved && !self.says(&table.bare) && !self.is_partition(table.oid).await {
                    self.say(Lost::Table, table, None, None, all);
                }
                continue;
            };
            for (number, column) in &table.columns {
                let gone = !after.columns.contains_key(number) && !column.generated;
                let full = rows.as_ref().is_none_or(|rows| {
                    rows.values().any(|row| row.get(number).is_some_and(|value| value.own.is_some()))
                });
                if gone && full {
                    let (what, example) = match self.fate(table, *number, rows.as_ref(), after).await {
                        Fate::Kept => continue,
                        Fate::Turned(old, new) => (Lost::Turned, Some((shown(&Some(old)), shown(&Some(new))))),
                        Fate::Read(tried) => (Lost::Read(tried), None),
                        Fate::Gone => (Lost::Column, None),
                    };
                    let query = format!("SELECT count(*) FROM {} WHERE {} IS NOT NULL", table.name, column.name);
                    self.say(what, table, Some(column), example, Some(query));
                }
            }
            self.unhide(&after.name).await;
            // Of two rows one may be the other's duplicate: what goes is ordinary where both go.
            if let Some(is) = self.count(&after.name).await
                && is + placed <= *was
                && !moved
            {
                self.say(Lost::Rows(was - is, *was), table, None, None, all);
            }
            if let (Some(rows), Some(now)) = (rows, self.read(table, &after.name, after).await) {
                self.values(table, after, rows, &now);
            }
        }
    }

    /// Which values are others than they were.
    fn values(&mut self, table: &Table, after: &Table, before: &Rows, now: &Rows) {
        for (number, column) in &table.columns {
            let Some(new) = after.columns.get(number).filter(|new| !new.generated && !column.generated) else {
                continue;
            };
            let pairs: Vec<(&Value, &Value)> = before
                .iter()
                .filter_map(|(key, row)| Some((row.get(number)?, now.get(key)?.get(number)?)))
                .filter(|(old, _)| old.own.is_some())
                .collect();
            let changed = |(old, now): &&(&Value, &Value)| {
                old.old != now.old
                    && !is_renamed(column, new, old, now)
                    && !kept::holds(now.json.as_deref(), old.json.as_deref())
            };
            let Some((old, other)) = pairs.iter().find(changed) else { continue };
            let example = Some((shown(&old.own), shown(&other.own)));
            if new.declared != column.declared {
                let counts =
                    |column: &Column| matches!(values::sort(column), Sort::Integer(_) | Sort::Number | Sort::Date);
                // A text takes whatever a number is: what is other was written over.
                let what = match counts(column) {
                    true if values::sort(new) == Sort::Text && self.says(&new.bare) => Lost::Collapsed,
                    true => Lost::Precision,
                    false => Lost::Values,
                };
                self.say(what, table, Some(column), example, narrowed(table, column, new));
            } else if !self.says(&column.bare) && !self.says(&new.bare) {
                // When a row was last changed is no value that anybody put in.
                if values::sort(column) != Sort::Date {
                    self.say(Lost::Values, table, Some(column), example, None);
                }
            } else {
                let distinct = |pick: fn(&(&Value, &Value)) -> Option<String>| {
                    pairs.iter().map(pick).collect::<BTreeSet<_>>().len()
                };
                if distinct(|(old, _)| old.old.clone()) > 1 && distinct(|(_, now)| now.old.clone()) == 1 {
                    self.say(Lost::Collapsed, table, Some(column), example, None);
                }
            }
        }
    }

    /// What down does not bring back, of what is not said already. False where it fails.
    async fn revert(&mut self, watched: &[Watched]) -> bool {
        let Some(down) =
            self.job.down.and_then(|down| Script::of(down, self.job.ran.1, self.database, &BTreeSet::new()))
        else {
            return true;
        };
        if !self.run(&down.text()).await {
            return false;
        }
        for Watched { at, count: was, rows, .. } in watched {
            let table = &self.job.before.tables[*at];
            if self.found.iter().any(|loss| loss.table == table.name && loss.column.is_none()) {
                continue;
            }
            self.unhide(&table.name).await;
            if self.count(&table.name).await.is_some_and(|is| is < *was) {
                self.say(Lost::NotReverted, table, None, None, None);
                continue;
            }
            // A column that is made anew has another number: it is looked up by name.
            let (Some(rows), Some(now)) = (rows, self.read(table, &table.name, table).await) else { continue };
            for (number, column) in &table.columns {
                let said = self.found.iter().any(|l| l.table == table.name && l.column.as_ref() == Some(&column.bare));
                if said || column.generated || values::sort(column) == Sort::Date {
                    continue;
                }
                let other = rows.iter().find_map(|(key, row)| {
                    let (old, now) = (row.get(number)?, now.get(key)?.get(number)?);
                    (old.own.is_some() && old.own != now.own).then_some((old, now))
                });
                if let Some((old, now)) = other {
                    let example = Some((shown(&old.own), shown(&now.own)));
                    self.say(Lost::NotReverted, table, Some(column), example, None);
                }
            }
        }
        true
    }

    fn says(&self, name: &str) -> bool {
        self.readers.change(name)
    }

    fn say(
        &mut self,
        what: Lost,
        table: &Table,
        column: Option<&Column>,
        example: Option<(String, String)>,
        query: Option<String>,
    ) {
        let column = column.map(|column| column.bare.clone());
        self.found.push(Loss { what, table: table.name.clone(), column, example, query });
    }
}

/// What tells the rows of `table` apart, in the table that it is `now`; none where nothing does.
pub(super) fn key(table: &Table, now: &Table) -> Option<String> {
    let plain = |key: &&super::schema::Unique| !key.expression && key.predicate.is_none();
    let key = table.unique.iter().filter(plain).max_by_key(|key| key.primary)?;
    let parts: Vec<String> = key.columns.iter().map(|number| as_before(table, now, *number)).collect::<Option<_>>()?;
    Some(format!("pg_catalog.concat_ws('|', {})", parts.join(", ")))
}

/// A column of `now` as the text that it had in `table`.
fn as_before(table: &Table, now: &Table, number: i16) -> Option<String> {
    let (old, new) = (table.columns.get(&number)?, now.columns.get(&number)?);
    Some(if new.declared == old.declared || is_word(old) || is_word(new) || kept::is_rebuilt(old, new) {
        format!("{}::text", new.name)
    } else {
        format!("{}::{}::text", new.name, old.declared)
    })
}

/// Whether a type's values are what their texts are.
fn is_word(column: &Column) -> bool {
    matches!(values::sort(column), Sort::Enum | Sort::Text)
}

/// Whether an enum's label has another name, and the value is the same: labels are never taken from a type.
fn is_renamed(old: &Column, new: &Column, before: &Value, now: &Value) -> bool {
    let is_gone = |value: &Value, labels: &[String]| value.own.as_ref().is_some_and(|own| !labels.contains(own));
    values::sort(old) == Sort::Enum
        && old.declared == new.declared
        && old.labels.len() <= new.labels.len()
        && is_gone(before, &new.labels)
        && is_gone(now, &old.labels)
}

fn shown(value: &Option<String>) -> String {
    const SHOWN: usize = 40;
    match value {
        None => "NULL".to_owned(),
        Some(text) if text.chars().count() > SHOWN => {
            values::quote(&(text.chars().take(SHOWN).collect::<String>() + "…"))
        }
        Some(text) => values::quote(text),
    }
}

/// Counts the values that a narrower type changes.
fn narrowed(table: &Table, old: &Column, new: &Column) -> Option<String> {
    let (name, table) = (&old.name, &table.name);
    let condition = match (values::sort(old), values::sort(new)) {
        (Sort::Text, Sort::Text) => format!("char_length({name}) > {}", values::width(new)?),
        (Sort::Integer(_) | Sort::Number, Sort::Integer(_) | Sort::Number) | (Sort::Date, Sort::Date) => {
            format!("{name}::{}::{} IS DISTINCT FROM {name}", new.declared, old.declared)
        }
        _ => return None,
    };
    Some(format!("SELECT count(*) FROM {table} WHERE {condition}"))
}
