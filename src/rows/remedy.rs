//! What a failure is about, as SQL: the query that counts the rows that are in the way, and the ways out to be tried.

use super::edit::{actions, constraint_name, replaced, with_defaults};
use super::overlap::overlap;
use super::schema::{Column, Condition, Foreign, Schema, Table, Unique};
use super::values::{self, Sort};
use crate::sql::identifier;
use crate::trace::ServerError;
use crate::verdict::{Recipe, RecipePlace};

/// How many ways out are tried for one failure.
const TRIED: usize = 6;

/// One failure, between two schemas.
pub(super) struct Remedy<'a> {
    /// The schema before.
    pub(super) before: &'a Schema,
    /// The schema after.
    pub(super) after: &'a Schema,
    /// What the server says.
    pub(super) error: &'a ServerError,
    /// The statement that fails.
    pub(super) statement: &'a str,
}

impl Remedy<'_> {
    /// Counts the rows that are in the way, in the schema before; none where no query can tell.
    pub(super) fn query(&self) -> Option<String> {
        let state = self.error.sqlstate.as_str();
        if state == "23505" {
            let (table, key) = self.unique(self.after)?;
            let before = self.before.get(table.oid)?;
            same(before, table, &key.columns)?;
            same(before, table, &key.read)?;
            let groups = format!(
                "SELECT count(*) AS n FROM {}{} GROUP BY {} HAVING count(*) > 1",
                before.name,
                filter(&demands(key)),
                key.keys.join(", ")
            );
            return Some(format!("SELECT coalesce(sum(n - 1), 0)::bigint FROM ({groups}) AS duplicates"));
        }
        if state == "23P01" {
            let (table, exclusion) = self.condition(self.after, |table| &table.exclusions)?;
            let read = table.columns.iter().filter(|(_, column)| column.is_named_in(&exclusion.text));
            same(self.before.get(table.oid)?, table, &read.map(|(number, _)| *number).collect::<Vec<i16>>())?;
            let pairs = overlap(table, exclusion)?;
            return Some(format!("SELECT count(*) FROM {} AS a JOIN {0} AS b ON {pairs}", table.name));
        }
        let (table, condition) = self.bad(true)?;
        Some(format!("SELECT count(*) FROM {table}{}", filter(&condition)))
    }

    /// The table and the condition of the rows that are in the way. `before`: all that it names is there before.
    fn bad(&self, before: bool) -> Option<(String, Vec<String>)> {
        let error = self.error;
        let checked = |table: &Table, columns: &[i16]| match before {
            true => self.before.get(table.oid).and_then(|old| same(old, table, columns)).is_some(),
            false => true,
        };
        match error.sqlstate.as_str() {
            "23503" => {
                let (table, key) = self.foreign()?;
                let parent = self.after.get(key.parent)?;
                let known = checked(table, &key.columns) && checked(parent, &key.parent_columns);
                known.then(|| Some((table.name.clone(), orphans(table, key, parent)?)))?
            }
            "23502" => {
                let (table, number, column) = self.column(self.after)?;
                match checked(table, &[number]) {
                    true => Some((table.name.clone(), vec![format!("{} IS NULL", column.name)])),
                    // A column that is new and gets no value: every row is in the way.
                    false if !self.says("add") => None,
                    false => Some((self.before.get(table.oid)?.name.clone(), Vec::new())),
                }
            }
            "23514" => {
                let (table, check) = self.condition(self.after, |table| &table.checks)?;
                let known = checked(table, &check.columns);
                known.then(|| (table.name.clone(), vec![format!("NOT {}", check.text)]))
            }
            _ => {
                let (table, old, new) = self.retyped()?;
                Some((table.name.clone(), vec![refused(old, new, error.major())?]))
            }
        }
    }

    /// The table and the column that the failure is about, where the server does not name them.
    pub(super) fn about(&self) -> Option<(String, String)> {
        let (table, column, _) =
            self.retyped().filter(|_| matches!(self.error.sqlstate.get(..2), Some("22" | "42")))?;
        Some((table.name.replace('"', ""), column.bare.clone()))
    }

    /// The ways out, the gentlest first.
    pub(super) fn recipes(&self) -> Vec<Recipe> {
        let mut all = match self.error.sqlstate.as_str() {
            "23505" => self.duplicates(),
            "23P01" => self.overlaps(),
            "21000" => self.cardinality(),
            "22012" => self.division(),
            "P0001" => self.triggers(),
            _ => self.clean_up(),
        }
        .unwrap_or_default();
        all.truncate(TRIED);
        all
    }

    /// Rows that a condition tells: mend them, delete them, or leave the old ones alone.
    fn clean_up(&self) -> Option<Vec<Recipe>> {
        let state = self.error.sqlstate.as_str();
        let mut all = Vec::new();
        let (table, condition) = self.bad(false)?;
        let mend = |value: &str, column: &Column| {
            let sql = format!("UPDATE {table} SET {} = {value}{}", column.name, filter(&condition));
            let how =
                if value == "NULL" { "set those values to NULL" } else { "give those rows a value that is allowed" };
            before(how, vec![sql])
        };
        match state {
            "23503" => {
                let (table, key) = self.foreign()?;
                let own = columns(table, &key.columns)?;
                all.extend(own.iter().find(|column| !column.not_null).map(|column| mend("NULL", column)));
                all.extend(self.not_valid(&table.name, &key.name));
            }
            "23502" => {
                let (table, number, column) = self.column(self.after)?;
                // One value for all rows would break a key of it.
                let keyed = is_keyed(table, number);
                let value = if keyed { apart(table, column) } else { plain(column) };
                if self.says("add") && !self.before.get(table.oid)?.columns.values().any(|old| old.bare == column.bare)
                {
                    if keyed {
                        let (statement, value) = (replaced(self.statement, "not null", "")?, value?);
                        let fill = format!("UPDATE {} SET {} = {value}", table.name, column.name);
                        let set = format!("ALTER TABLE {} ALTER COLUMN {} SET NOT NULL", table.name, column.name);
                        let all = vec![statement.trim_end().to_owned(), fill, set];
                        return Some(vec![instead(
                            "add it without NOT NULL, and give each row its own",
                            all,
                            Vec::new(),
                        )]);
                    }
                    return Some(vec![self.defaults(table)?]);
                }
                if !self.says("alter") {
                    return None;
                }
                let points = table
                    .foreign
                    .iter()
                    .any(|key| columns(table, &key.columns).is_some_and(|all| all.contains(&column)));
                if !points && (value.is_some() || !keyed) {
                    all.push(mend(&value?, column));
                }
                all.extend(self.not_null_later(table, column));
            }
            "23514" => {
                let (table, check) = self.condition(self.after, |table| &table.checks)?;
                let own = columns(table, &check.columns)?;
                if let [column] = own.as_slice() {
                    all.extend((!column.not_null).then(|| mend("NULL", column)));
                    all.extend(
                        values::candidates(column, &check.text, 0).iter().skip(1).take(1).map(|v| mend(v, column)),
                    );
                }
                all.extend(self.not_valid(&table.name, &check.name));
            }
            _ => {
                let (_, old, new) = self.retyped()?;
                if state == "22001" {
                    let width = values::width(new)?;
                    all.push(mend(&format!("left({}, {width})", old.name), old));
                }
                all.extend((!old.not_null).then(|| mend("NULL", old)));
                all.extend(stand_in(new).map(|value| mend(value, old)));
            }
        }
        all.push(before("delete those rows", vec![format!("DELETE FROM {table}{}", filter(&condition))]));
        Some(all)
    }

    /// A default for each column that the statement adds to `table` and that must have a value.
    fn defaults(&self, table: &Table) -> Option<Recipe> {
        let before = self.before.get(table.oid)?;
        let new = table.columns.iter().filter(|(number, column)| {
            let filled = column.default.is_some() || column.sequence || column.identity || column.generated;
            column.not_null && !filled && !before.columns.contains_key(*number)
        });
        let (numbers, new): (Vec<i16>, Vec<(&str, String)>) =
            new.filter_map(|(number, column)| Some((*number, (column.name.as_str(), plain(column)?)))).unzip();
        let (statement, given) = with_defaults(self.statement, &new)?;
        // One value for all rows would break a key of it.
        if given.iter().any(|at| is_keyed(table, numbers[*at])) {
            return None;
        }
        let drops: Vec<String> = given.iter().map(|at| format!("ALTER COLUMN {} DROP DEFAULT", new[*at].0)).collect();
        let later = format!("ALTER TABLE {} {}", table.name, drops.join(", "));
        let how = if given.len() == 1 { "add it with a default" } else { "add them with defaults" };
        Some(instead(how, vec![statement], vec![later]))
    }

    /// Duplicates under a new unique key; the rows of an INSERT that are there already.
    fn duplicates(&self) -> Option<Vec<Recipe>> {
        let statement = self.statement;
        if self.says("insert") {
            let free = !self.says("conflict") && !self.says("returning") && !self.says("do");
            let sql = format!("{}\nON CONFLICT DO NOTHING", statement.trim_end());
            return free.then(|| vec![instead("leave out what is there already", vec![sql], Vec::new())]);
        }
        let (table, key) = self.unique(self.after)?;
        let (one, order) = match table.primary().filter(|_| !key.primary) {
            Some([one]) => (one.clone(), one.clone()),
            Some(several) => (format!("({})", several.join(", ")), several.join(", ")),
            None => ("ctid".to_owned(), "ctid".to_owned()),
        };
        let pick = one.trim_start_matches('(').trim_end_matches(')');
        let later = format!(
            "{one} IN (SELECT {pick} FROM (SELECT {pick}, row_number() OVER (PARTITION BY {} ORDER BY {order}) AS n \
             FROM {}{}) AS d WHERE n > 1)",
            key.keys.join(", "),
            table.name,
            filter(&demands(key))
        );
        let mut all = Vec::new();
        let own = columns(table, &key.columns)?;
        if let (Some(column), false) =
            (own.iter().rev().find(|column| !column.not_null), key.primary || key.nulls_equal)
        {
            let sql = format!("UPDATE {} SET {} = NULL WHERE {later}", table.name, column.name);
            all.push(before("keep the first of each, and set the others' to NULL", vec![sql]));
        }
        let sql = format!("DELETE FROM {} WHERE {later}", table.name);
        all.push(before("keep the first row of each", vec![sql]));
        if let (Some([id]), Some(column)) = (table.primary(), own.iter().find(|c| values::sort(c) == Sort::Text)) {
            let name = &column.name;
            let sql = format!("UPDATE {} SET {name} = {name} || '-' || {id} WHERE {later}", table.name);
            all.push(before("keep the first of each, and tell the others apart", vec![sql]));
        }
        Some(all)
    }

    fn overlaps(&self) -> Option<Vec<Recipe>> {
        let (table, exclusion) = self.condition(self.after, |table| &table.exclusions)?;
        let pairs = overlap(table, exclusion)?;
        let sql = format!("DELETE FROM {} AS b USING {0} AS a WHERE {pairs}", table.name);
        Some(vec![before("keep the first of those that exclude each other", vec![sql])])
    }

    /// Scalar subqueries that find several rows.
    fn cardinality(&self) -> Option<Vec<Recipe>> {
        let statement = self.statement;
        let lower = statement.to_ascii_lowercase();
        let mut changed = statement.to_owned();
        let mut shift = 0;
        for (at, _) in lower.match_indices('(') {
            let inner = lower.get(at + 1..)?.trim_start();
            let before = lower.get(..at)?.trim_end();
            if !inner.starts_with("select") || !before.ends_with('=') {
                continue;
            }
            let mut depth = 0usize;
            let end = lower.get(at..)?.char_indices().find_map(|(n, c)| match c {
                '(' => {
                    depth += 1;
                    None
                }
                ')' => {
                    depth = depth.saturating_sub(1);
                    (depth == 0).then_some(at + n)
                }
                _ => None,
            })?;
            if lower.get(at..end)?.contains("limit") {
                continue;
            }
            let added = if lower.get(at..end)?.contains("order by") { " LIMIT 1" } else { " ORDER BY 1 LIMIT 1" };
            changed.insert_str(end + shift, added);
            shift += added.len();
        }
        (shift > 0).then(|| vec![instead("say which row is meant", vec![changed], Vec::new())])
    }

    /// A division by what may be zero.
    fn division(&self) -> Option<Vec<Recipe>> {
        let pattern = regex::Regex::new(r"/\s*([A-Za-z_][\w.]*)(\s*[^\w.(]|$)").ok()?;
        let changed = pattern.replace_all(self.statement, "/ nullif($1, 0)$2").into_owned();
        (changed != self.statement)
            .then(|| vec![instead("divide by nothing rather than by zero", vec![changed], Vec::new())])
    }

    /// A trigger that refuses an UPDATE or a DELETE that the migration makes.
    fn triggers(&self) -> Option<Vec<Recipe>> {
        let pattern = regex::Regex::new(r#"(?i)^\s*(?:update|delete\s+from)\s+(?:only\s+)?([\w."]+)"#).ok()?;
        let table = pattern.captures(self.statement)?.get(1)?.as_str();
        let inside = self.error.context.as_deref().is_some_and(|context| !context.contains("inline_code_block"));
        let switch = |word: &str| format!("ALTER TABLE {table} {word} TRIGGER USER");
        let sql = vec![switch("DISABLE"), self.statement.to_owned(), switch("ENABLE")];
        inside.then(|| vec![instead("if the trigger is not meant for this, run it without", sql, Vec::new())])
    }

    /// `NOT VALID` now, `VALIDATE` in a later migration.
    fn not_valid(&self, table: &str, name: &str) -> Option<Recipe> {
        // With several actions in one statement, its end is not the constraint's.
        let one = self.says("add") && !self.says("valid") && actions(self.statement) == 1;
        let later = format!("ALTER TABLE {table} VALIDATE CONSTRAINT {}", identifier(name));
        let sql = format!("{} NOT VALID", self.statement.trim_end());
        (one && self.says("alter"))
            .then(|| instead("hold new rows to it now, and the old ones once they are mended", vec![sql], vec![later]))
    }

    /// The same for a NOT NULL.
    fn not_null_later(&self, table: &Table, column: &Column) -> Option<Recipe> {
        if actions(self.statement) != 1 || self.says("primary") || self.says("domain") {
            return None;
        }
        let name = identifier(&format!("{}_{}_not_null", table.bare, column.bare));
        let how = "hold new rows to it now, and the old ones once they are filled";
        if self.error.major() >= Some(18) {
            let named = self.says("add").then(|| constraint_name(self.statement)).flatten();
            let name = named.unwrap_or(name);
            let sql = format!("ALTER TABLE {} ADD CONSTRAINT {name} NOT NULL {} NOT VALID", table.name, column.name);
            let later = format!("ALTER TABLE {} VALIDATE CONSTRAINT {name}", table.name);
            return Some(instead(how, vec![sql], vec![later]));
        }
        let sql =
            format!("ALTER TABLE {} ADD CONSTRAINT {name} CHECK ({} IS NOT NULL) NOT VALID", table.name, column.name);
        let later = vec![
            format!("ALTER TABLE {} VALIDATE CONSTRAINT {name}", table.name),
            format!("ALTER TABLE {} ALTER COLUMN {} SET NOT NULL", table.name, column.name),
            format!("ALTER TABLE {} DROP CONSTRAINT {name}", table.name),
        ];
        Some(instead(how, vec![sql], later))
    }

    fn says(&self, word: &str) -> bool {
        self.statement.split(|c: char| !c.is_alphanumeric() && c != '_').any(|own| own.eq_ignore_ascii_case(word))
    }

    fn foreign(&self) -> Option<(&Table, &Foreign)> {
        let name = self.error.constraint.as_deref()?;
        named(self.after, self.error, |table| table.foreign.iter().find(|key| key.name == name))
    }

    fn unique<'s>(&self, schema: &'s Schema) -> Option<(&'s Table, &'s Unique)> {
        let name = self.error.constraint.as_deref()?;
        named(schema, self.error, |table| table.unique.iter().find(|key| key.name == name))
    }

    fn condition<'s>(
        &self,
        schema: &'s Schema,
        list: fn(&Table) -> &Vec<Condition>,
    ) -> Option<(&'s Table, &'s Condition)> {
        let name = self.error.constraint.as_deref()?;
        named(schema, self.error, |table| list(table).iter().find(|condition| condition.name == name))
    }

    fn column<'s>(&self, schema: &'s Schema) -> Option<(&'s Table, i16, &'s Column)> {
        let name = self.error.column.as_deref()?;
        let of = |table: &'s Table| table.columns.iter().find(|(_, column)| column.bare == name);
        named(schema, self.error, of).map(|(table, (number, column))| (table, *number, column))
    }

    /// The column whose type the failing statement changes: the server does not name it.
    fn retyped(&self) -> Option<(&Table, &Column, &Column)> {
        let mut all = self.before.tables.iter().filter(|table| self.says(&table.bare)).flat_map(|table| {
            let after = self.after.get(table.oid);
            table.columns.iter().filter_map(move |(number, old)| {
                let new = after?.columns.get(number)?;
                (new.declared != old.declared && self.says(&old.bare)).then_some((table, old, new))
            })
        });
        let first = all.next()?;
        (all.next().is_none() && self.says("alter")).then_some(first)
    }
}

/// What `pick` finds in the table that the error names, else in any.
fn named<'s, T>(
    schema: &'s Schema,
    error: &ServerError,
    pick: impl Fn(&'s Table) -> Option<T>,
) -> Option<(&'s Table, T)> {
    let called = |table: &&Table| error.table.as_deref().is_none_or(|said| table.is_called(said));
    schema.tables.iter().filter(called).find_map(|table| Some((table, pick(table)?)))
}

/// Columns that the schema before has under the same names and types.
fn same(before: &Table, after: &Table, numbers: &[i16]) -> Option<()> {
    let known = |number: &i16| {
        let (old, new) = (before.columns.get(number), after.columns.get(number));
        old.is_some_and(|old| new.is_some_and(|new| old.bare == new.bare && old.base == new.base))
    };
    (before.name == after.name && numbers.iter().all(known)).then_some(())
}

fn columns<'t>(table: &'t Table, numbers: &[i16]) -> Option<Vec<&'t Column>> {
    numbers.iter().map(|number| table.columns.get(number)).collect()
}

/// Rows whose key is complete and has no parent.
fn orphans(table: &Table, key: &Foreign, parent: &Table) -> Option<Vec<String>> {
    let own: Vec<String> =
        columns(table, &key.columns)?.iter().map(|column| format!("{}.{}", table.quoted(), column.name)).collect();
    let theirs = columns(parent, &key.parent_columns)?;
    let mut all: Vec<String> = own.iter().map(|column| format!("{column} IS NOT NULL")).collect();
    let operator = |at| if key.period && at + 1 == own.len() { "&&" } else { "=" };
    let paired = own.iter().zip(&theirs).enumerate();
    let alike: Vec<String> =
        paired.map(|(at, (own, theirs))| format!("parent.{} {} {own}", theirs.name, operator(at))).collect();
    let parents = format!("FROM {} AS parent WHERE {}", parent.name, alike.join(" AND "));
    all.push(match (own.last(), theirs.last()) {
        // As the server asks it: what all parents have in common with the period, covers it.
        (Some(period), Some(theirs)) if key.period => {
            format!("({period} <@ (SELECT range_agg(parent.{}) {parents})) IS NOT TRUE", theirs.name)
        }
        _ => format!("NOT EXISTS (SELECT {parents})"),
    });
    Some(all)
}

/// What a row must be for a unique key to hold for it.
fn demands(key: &Unique) -> Vec<String> {
    let mut all: Vec<String> = key.predicate.iter().cloned().collect();
    if !key.nulls_equal && !key.primary {
        all.extend(key.keys.iter().map(|part| format!("({part} IS NOT NULL)")));
    }
    all.dedup();
    all
}

/// The values of `old` that the type of `new` does not take, as a server of this major version can tell them.
fn refused(old: &Column, new: &Column, major: Option<u32>) -> Option<String> {
    let name = &old.name;
    let text = format!("{name}::text");
    match (values::sort(old), values::sort(new)) {
        (Sort::Text, Sort::Text) => Some(format!("char_length({name}) > {}", values::width(new)?)),
        (Sort::Text, Sort::Integer(max)) => {
            let digits = max.to_string().len() - 1;
            Some(format!("{text} !~ '^\\s*[-+]?[0-9]{{1,{digits}}}\\s*$'"))
        }
        (Sort::Text, Sort::Number) => Some(format!("{text} !~ '^\\s*[-+]?[0-9]+(\\.[0-9]+)?\\s*$'")),
        (Sort::Text, Sort::Uuid) => Some(format!("{text} !~* '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$'")),
        (Sort::Text, Sort::Bool) => Some(format!("lower({text}) NOT IN ('true', 'false', 't', 'f', '1', '0')")),
        (Sort::Text | Sort::Enum, Sort::Enum) => {
            let labels: Vec<String> = new.labels.iter().map(|label| values::quote(label)).collect();
            Some(format!("{text} NOT IN ({})", labels.join(", ")))
        }
        (Sort::Integer(_) | Sort::Number, Sort::Integer(max)) => {
            Some(format!("{name} NOT BETWEEN {} AND {max}", -max - 1))
        }
        (Sort::Integer(_) | Sort::Number, Sort::Number) => {
            let (digits, scale) = values::precision(new)?;
            Some(format!("abs({name}) >= 1e{}", digits - scale))
        }
        (Sort::Text, Sort::Other) if new.kind == "xml" => Some(format!("NOT xml_is_well_formed_content({text})")),
        (Sort::Text, Sort::Other) if major >= Some(16) => {
            Some(format!("NOT pg_input_is_valid({text}, {})", values::quote(&new.declared)))
        }
        _ => None,
    }
}

/// A value that stands for none.
fn plain(column: &Column) -> Option<String> {
    if let Some(default) = column.default.clone().filter(|_| !column.sequence) {
        return Some(default);
    }
    Some(match values::sort(column) {
        Sort::Text => "''".to_owned(),
        Sort::Integer(_) | Sort::Number => "0".to_owned(),
        Sort::Bool => "false".to_owned(),
        Sort::Json | Sort::Array => "'{}'".to_owned(),
        Sort::Date => "now()".to_owned(),
        Sort::Enum => values::quote(column.labels.first()?),
        Sort::Uuid => "gen_random_uuid()".to_owned(),
        Sort::Range => "'empty'".to_owned(),
        Sort::Other if column.kind == "bytea" => "''".to_owned(),
        Sort::Other => return None,
    })
}

/// Whether a unique key has a column, and nothing else in it keeps rows apart.
fn is_keyed(table: &Table, number: i16) -> bool {
    let keeps = |rest: &[i16]| table.unique.iter().any(|key| key.columns.iter().all(|column| rest.contains(column)));
    let rest = |key: &Unique| key.columns.iter().copied().filter(|column| *column != number).collect::<Vec<i16>>();
    table.unique.iter().any(|key| key.columns.contains(&number) && !keeps(&rest(key)))
}

/// A value that each row has another of.
fn apart(table: &Table, column: &Column) -> Option<String> {
    let [id] = table.primary()? else { return None };
    let own = table.columns.values().find(|own| own.name == *id && own.bare != column.bare);
    match values::sort(column) {
        Sort::Uuid => Some("gen_random_uuid()".to_owned()),
        Sort::Text => own.map(|own| format!("{}::text", own.name)),
        Sort::Integer(max) => own
            .filter(|own| matches!(values::sort(own), Sort::Integer(most) if most <= max))
            .map(|own| own.name.clone()),
        _ => None,
    }
}

/// A text that a type takes, for a column that cannot be NULL.
fn stand_in(new: &Column) -> Option<&'static str> {
    match values::sort(new) {
        Sort::Integer(_) | Sort::Number => Some("'0'"),
        Sort::Bool => Some("'false'"),
        Sort::Json => Some("'{}'"),
        _ => None,
    }
}

fn filter(conditions: &[String]) -> String {
    if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) }
}

fn before(how: &str, sql: Vec<String>) -> Recipe {
    Recipe { how: how.to_owned(), place: RecipePlace::Before, sql, later: Vec::new(), also: Vec::new() }
}

fn instead(how: &str, sql: Vec<String>, later: Vec<String>) -> Recipe {
    Recipe { how: how.to_owned(), place: RecipePlace::Instead, sql, later, also: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_without_parents_for_their_whole_period_are_those_that_the_server_refuses() {
        let column = |name: &str| Column { bare: name.to_owned(), name: name.to_owned(), ..Column::default() };
        let table = |name: &str| Table {
            bare: name.to_owned(),
            name: name.to_owned(),
            columns: [(1, column("product")), (2, column("valid"))].into_iter().collect(),
            ..Table::default()
        };
        let key = Foreign {
            oid: 1,
            name: "priced".to_owned(),
            columns: vec![1, 2],
            parent: 2,
            parent_columns: vec![1, 2],
            validated: true,
            period: true,
            holds_parents: true,
            holds_keys: true,
        };
        assert_eq!(
            orphans(&table("offers"), &key, &table("prices")).unwrap(),
            [
                "offers.product IS NOT NULL",
                "offers.valid IS NOT NULL",
                "(offers.valid <@ (SELECT range_agg(parent.valid) FROM prices AS parent WHERE parent.product = \
                 offers.product AND parent.valid && offers.valid)) IS NOT TRUE",
            ]
        );
    }
}
