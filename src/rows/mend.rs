//! What can be done about a row that the server refuses, besides giving it the values that a CHECK asks for.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::DbError;

use super::baseline::{Site, Wish, may_be_made};
use super::row::Row;
use super::schema::{Column, Table};
use super::values::{self, Sort};
use crate::sql::identifier;

/// Words of a migration that looks at partitions, or at the list of all tables: over one that is made up it may do something
/// else than over production's.
const LOOKS: [&str; 5] = ["partition", "pg_inherits", "pg_class", "pg_tables", "information_schema"];

/// Whether rows for a migration with this text may get a partition that is made up.
pub(super) fn may_open(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    !LOOKS.iter().any(|word| text.contains(word))
}

/// Makes a partition for what no partition takes, where that is why a row was refused. Production has partitions that no
/// migration makes, but a job or the application, as time goes on.
pub(super) fn partition(error: &DbError) -> Option<String> {
    let (schema, table) = (error.schema()?, error.table()?);
    let name = |table: &str| format!("{}.{}", identifier(schema), identifier(table));
    let is_it = error.message().starts_with("no partition of relation ");
    is_it.then(|| format!("CREATE TABLE {} PARTITION OF {} DEFAULT", name(&format!("{table}_default")), name(table)))
}

/// How many further parents are made for one row.
const PARENTS: usize = 3;

/// Whether a value can be the key of a row: those that are counted up are neither negative nor zero.
pub(super) fn may_be_a_key(column: &Column, value: &str) -> bool {
    !matches!(values::sort(column), Sort::Integer(_)) || value.parse::<i64>().is_ok_and(|value| value > 0)
}

impl Site<'_> {
    /// Makes a partition for a row that none takes.
    pub(super) async fn open(&self, row: &mut Row, error: &DbError) -> bool {
        let Some(sql) = partition(error).filter(|_| self.opens) else { return false };
        let client = self.session.client();
        if client.batch_execute(&format!("SAVEPOINT migd_row; {sql}; RELEASE SAVEPOINT migd_row")).await.is_err() {
            let _ = client.batch_execute("ROLLBACK TO SAVEPOINT migd_row").await;
            return false;
        }
        row.ahead.push(sql);
        true
    }

    /// Gives a value to a column that refuses NULL.
    pub(super) fn fill(&self, wish: &Wish, row: &mut Row, fixed: &BTreeSet<i16>, name: Option<&str>) -> bool {
        let table = &self.schema.tables[wish.table];
        let found = table.columns.iter().find(|(_, column)| Some(column.bare.as_str()) == name);
        let Some((number, column)) = found else { return false };
        let empty = row.values.get(number).is_none_or(|value| value == "NULL");
        let free = empty && !fixed.contains(number) && self.settable(wish.table, *number);
        if free {
            row.values.insert(*number, values::typical(column, wish.n));
        }
        free
    }

    /// Gives JSON the members that the table's triggers read: what they make of none is refused elsewhere.
    pub(super) fn unfold(&self, wish: &Wish, row: &mut Row, fixed: &BTreeSet<i16>) -> bool {
        let table = &self.schema.tables[wish.table];
        let Some(read) = table.triggers.as_deref().map(members).filter(|read| !read.is_empty()) else { return false };
        let is_json = |column: &Column| values::sort(column) == Sort::Json;
        let mut unfolded = false;
        for (number, column) in table.columns.iter().filter(|(_, column)| is_json(column)) {
            let other = |name: &str| table.columns.values().any(|own| is_json(own) && own.bare == name);
            let own: Vec<_> = read.iter().filter(|of| of.column == column.bare || !other(&of.column)).collect();
            if own.is_empty() || fixed.contains(number) || !self.settable(wish.table, *number) {
                continue;
            }
            let forms = FORMS.iter().map(|form| object(&own, form, wish.n));
            let next = match row.values.get(number).map(String::as_str) {
                None | Some("NULL" | "'{}'") => forms.clone().next(),
                Some(now) => forms.clone().skip_while(|form| form != now).nth(1),
            };
            if let Some(value) = next {
                row.values.insert(*number, value);
                unfolded = true;
            }
        }
        unfolded
    }

    /// The columns of a row just put in to which a trigger gave another value, of those that other tables refer to.
    pub(super) async fn remade(&self, row: &Row) -> BTreeSet<i16> {
        let table = &self.schema.tables[row.table];
        let mut remade = BTreeSet::new();
        let Some(text) = table.triggers.as_deref().filter(|_| row.of.is_none()) else { return remade };
        let words = values::words(text);
        let referred = |number: &i16| {
            let mut keys = self.schema.tables.iter().flat_map(|other| &other.foreign);
            keys.any(|key| key.parent == table.oid && key.parent_columns.contains(number))
        };
        for (number, value) in row.values.iter().filter(|(number, value)| *value != "NULL" && referred(number)) {
            let Some(column) = table.columns.get(number) else { continue };
            if !words.contains(&column.bare.to_lowercase()) {
                continue;
            }
            let sql = format!("SAVEPOINT migd_row; SELECT FROM {} WHERE {} = {value} LIMIT 1", table.name, column.name);
            let client = self.session.client();
            match client.simple_query(&format!("{sql}; RELEASE SAVEPOINT migd_row")).await {
                Ok(found) => {
                    if !found.iter().any(|message| matches!(message, SimpleQueryMessage::Row(_))) {
                        remade.insert(*number);
                    }
                }
                Err(_) => {
                    let _ = client.batch_execute("ROLLBACK TO SAVEPOINT migd_row").await;
                }
            }
        }
        remade
    }

    /// Gives texts the form of a version, a number, …
    pub(super) fn reword(&self, wish: &Wish, row: &mut Row, fixed: &BTreeSet<i16>, attempt: usize) -> bool {
        let n = wish.n;
        let forms = [format!("1.0.{n}"), format!("{}", n + 1), "{}".to_owned(), format!("n{n}@example.com")];
        let Some(form) = forms.get(attempt) else { return false };
        let table = &self.schema.tables[wish.table];
        let mut reworded = false;
        for (number, column) in &table.columns {
            let free = !fixed.contains(number) && row.values.get(number).is_some_and(|value| value != "NULL");
            let points = table.foreign.iter().any(|key| key.columns.contains(number));
            if free
                && !points
                && values::sort(column) == Sort::Text
                && let Some(value) = values::fitting(column, form)
            {
                reworded = true;
                row.values.insert(*number, value);
            }
        }
        reworded
    }

    /// Mends a row that a unique key refuses.
    pub(super) fn differ(
        &self,
        row: &mut Row,
        fixed: &BTreeSet<i16>,
        table: &Table,
        error: &DbError,
        attempt: usize,
    ) -> bool {
        let Some(unique) = table.unique.iter().find(|unique| Some(unique.name.as_str()) == error.constraint()) else {
            return false;
        };
        let points = |number: &i16| table.foreign.iter().any(|key| key.columns.contains(number));
        let free: Vec<&i16> = unique
            .columns
            .iter()
            .filter(|number| !fixed.contains(number) && self.settable(row.table, **number) && !points(number))
            .collect();
        let Some(number) = free.get(attempt % free.len().max(1)) else { return false };
        let Some(column) = table.columns.get(*number) else { return false };
        row.values.insert(**number, values::key(column, 20 + attempt * 7));
        true
    }

    /// Makes the row that `row` points to, because a condition asks for that very key.
    pub(super) async fn adopt(
        &mut self,
        wish: &Wish,
        row: &Row,
        constraint: Option<&str>,
        above: &mut Vec<usize>,
    ) -> bool {
        let schema = self.schema;
        let keys = &schema.tables[wish.table].foreign;
        let Some(key) = keys.iter().find(|key| Some(key.name.as_str()) == constraint) else { return false };
        let other = |parent: &usize| *parent != wish.table && may_be_made(*parent, above);
        let Some(parent) = schema.find(key.parent).filter(other) else { return false };
        let pair = |(own, theirs): (&i16, &i16)| Some((*theirs, row.values.get(own)?.clone()));
        let set: Option<_> = key.columns.iter().zip(&key.parent_columns).map(pair).collect();
        // A key that was wished for without a parent is about that.
        let wished = key.columns.iter().any(|number| wish.set.contains_key(number));
        let Some(set) = set.filter(|_| !wished) else { return false };
        let n = self.rows.iter().filter(|row| row.table == parent).count();
        let wanted = Wish { table: parent, n, set, ..Wish::default() };
        self.put_above(wish.table, wanted, above).await.is_ok()
    }

    /// Points `row` to a further parent, where a unique key refuses it and has nothing but foreign keys to tell it by: a second
    /// member of a team is another user.
    pub(super) async fn point_elsewhere(
        &mut self,
        wish: &Wish,
        row: &mut Row,
        fixed: &BTreeSet<i16>,
        constraint: Option<&str>,
        attempt: usize,
        above: &mut Vec<usize>,
    ) -> bool {
        let schema = self.schema;
        let table = &schema.tables[wish.table];
        let Some(unique) = table.unique.iter().find(|unique| Some(unique.name.as_str()) == constraint) else {
            return false;
        };
        let mut free = table.foreign.iter().filter(|key| {
            key.parent != table.oid
                && key.columns.iter().any(|number| unique.columns.contains(number))
                && key.columns.iter().all(|number| !fixed.contains(number) && self.settable(wish.table, *number))
        });
        let (Some(foreign), true) = (free.next(), attempt < PARENTS) else { return false };
        let Some(parent) = schema.find(foreign.parent).filter(|parent| may_be_made(*parent, above)) else {
            return false;
        };
        let further = Wish { table: parent, n: wish.n + 20 + attempt * 7, ..Wish::default() };
        match self.put_above(wish.table, further, above).await {
            Ok(at) => {
                self.take_key(foreign, at, row, fixed);
                true
            }
            Err(_) => false,
        }
    }
}

/// A member of JSON that a function reads: `NEW.meta ->> 'age'`.
#[derive(Debug, PartialEq, Eq)]
struct Member {
    /// The name that the path begins with.
    column: String,
    name: String,
    /// The type that it is made, in lower case.
    cast: Option<String>,
}

/// The members of JSON that a text reads.
fn members(text: &str) -> Vec<Member> {
    static MEMBER: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"(\w+)"?\s*\)?\s*->>?\s*'([^'\\]{1,60})'(?:\s*\)?\s*::\s*"?(\w+))?"#).ok());
    let found = MEMBER.as_ref().into_iter().flat_map(|member| member.captures_iter(text));
    let mut members: Vec<Member> = Vec::new();
    for caught in found {
        let cast = caught.get(3).map(|cast| cast.as_str().to_lowercase());
        let member = Member { column: caught[1].to_owned(), name: caught[2].to_owned(), cast };
        if members.iter().all(|known| (&known.column, &known.name) != (&member.column, &member.name)) {
            members.push(member);
        }
    }
    members
}

/// What members are tried with whose type is not said; `N` is the row's number.
const FORMS: [&str; 5] = ["annN", "N", "annN@example.com", "00000000-0000-4000-8000-00000000000N", "true"];

/// A JSON object with these members, as a literal.
fn object(members: &[&Member], form: &str, n: usize) -> String {
    let value = |member: &&Member| {
        let form = match member.cast.as_deref() {
            Some("int" | "int2" | "int4" | "int8" | "integer" | "bigint" | "smallint" | "numeric" | "float") => "N",
            Some("bool" | "boolean") => "true",
            Some("uuid") => FORMS[3],
            Some("date" | "timestamp" | "timestamptz") => "2024-01-01",
            Some("json" | "jsonb") => "{}",
            _ => form,
        };
        (member.name.clone(), serde_json::Value::from(form.replace('N', &(n + 1).to_string())))
    };
    let members: serde_json::Map<String, serde_json::Value> = members.iter().map(value).collect();
    values::quote(&serde_json::Value::from(members).to_string())
}

/// Leaves the columns that a sequence fills to it; whether there were any.
pub(super) fn leave_sequences(row: &mut Row, fixed: &BTreeSet<i16>, table: &Table) -> bool {
    let values = row.values.len();
    let by_sequence = |number: &i16| table.columns.get(number).is_some_and(|column| column.sequence);
    row.values.retain(|number, _| fixed.contains(number) || !by_sequence(number));
    row.values.len() < values
}

/// Mends a row that an exclusion constraint refuses: its range is moved.
pub(super) fn shift(row: &mut Row, fixed: &BTreeSet<i16>, table: &Table, name: Option<&str>, attempt: usize) -> bool {
    let Some(exclusion) = table.exclusions.iter().find(|exclusion| Some(exclusion.name.as_str()) == name) else {
        return false;
    };
    for number in exclusion.columns.iter().filter(|number| !fixed.contains(number)) {
        let Some(column) = table.columns.get(number) else { continue };
        if table.foreign.iter().any(|key| key.columns.contains(number)) {
            continue;
        }
        row.values.insert(*number, values::typical(column, 3 + attempt));
        return true;
    }
    false
}

/// Mends a row whose JSON a trigger or a computed column wants as a list, or as an object.
pub(super) fn reshape(row: &mut Row, fixed: &BTreeSet<i16>, table: &Table, said: &str) -> bool {
    const LIST: (&str, &str) = ("'{}'", "'[]'");
    let (is, wanted) = match said {
        said if said.starts_with("cannot extract elements from a") => LIST,
        said if said.starts_with("cannot get array length of a") => LIST,
        said if said.ends_with(" on an array") || said == "cannot deconstruct an array as an object" => {
            (LIST.1, LIST.0)
        }
        _ => return false,
    };
    let is_json = |number: &i16| table.columns.get(number).is_some_and(|column| values::sort(column) == Sort::Json);
    let mut reshaped = false;
    for (_, value) in
        row.values.iter_mut().filter(|(number, value)| is_json(number) && !fixed.contains(number) && *value == is)
    {
        *value = wanted.to_owned();
        reshaped = true;
    }
    reshaped
}

#[cfg(test)]
mod tests {
    use super::{Member, may_open, members};

    #[test]
    fn members_of_json_are_found_with_the_types_that_they_are_made() {
        let member = |column: &str, name: &str, cast: Option<&str>| Member {
            column: column.to_owned(),
            name: name.to_owned(),
            cast: cast.map(str::to_owned),
        };
        let text = "INSERT INTO p VALUES (new.meta->>'handle', (NEW.\"Meta\" ->> 'age') :: INT, v -> 'on')";
        let found = [member("meta", "handle", None), member("Meta", "age", Some("int")), member("v", "on", None)];
        assert_eq!(members(text), found);
    }

    #[test]
    fn a_migration_that_looks_at_partitions_gets_none_that_is_made_up() {
        assert!(may_open("ALTER TABLE events ALTER COLUMN kind SET NOT NULL"));
        assert!(!may_open("CREATE TABLE e2 PARTITION OF events FOR VALUES FROM (1) TO (2)"));
        assert!(!may_open("DO $$ BEGIN FOR t IN SELECT relname FROM PG_CLASS LOOP END LOOP; END $$"));
    }
}
