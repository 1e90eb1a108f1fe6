//! What the search for rows needs to know of a schema: tables, columns, keys and constraints.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use indexmap::IndexMap;
use tokio_postgres::{Client, Row};

use crate::catalog::Snapshot;
use crate::pool::Lease;
use crate::sql::lexer::{Lexer, TokenKind};

/// How many schemas are kept: those before and after what is being written, in two sets. A large one takes a megabyte.
const KEPT: usize = 4;

/// The schemas of templates, read once: a template never changes, and its snapshot tells it from every other.
#[derive(Default)]
pub struct Schemas(Mutex<VecDeque<(Weak<Snapshot>, Arc<Schema>)>>);

impl Schemas {
    /// The schema of the template that `lease`, which nothing has changed yet, is a clone of.
    pub async fn of(&self, lease: &Lease) -> Result<Arc<Schema>, tokio_postgres::Error> {
        let template = Arc::downgrade(&lease.before);
        let kept = {
            let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.iter().find(|(own, _)| own.ptr_eq(&template)).map(|(_, schema)| Arc::clone(schema))
        };
        if let Some(schema) = kept {
            return Ok(schema);
        }
        let schema = Arc::new(Schema::read(lease.observer.client()).await?);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(own, _)| own.strong_count() > 0);
        all.truncate(KEPT - 1);
        all.push_front((template, Arc::clone(&schema)));
        Ok(schema)
    }
}

/// One schema at one moment. Tables are in order of name.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    /// The tables that rows can be put into: partitions are filled through their parent.
    pub tables: Vec<Table>,
    by_oid: BTreeMap<u32, usize>,
    by_name: BTreeMap<String, usize>,
}

/// One table.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(Default))]
pub struct Table {
    /// Its number, the same in all clones of a template.
    pub oid: u32,
    /// Its name without the schema, as it is.
    pub bare: String,
    /// As it is written in SQL, with the schema unless that is `public`.
    pub name: String,
    /// By number, in that order.
    pub columns: IndexMap<i16, Column>,
    /// Foreign keys.
    pub foreign: Vec<Foreign>,
    /// CHECK constraints.
    pub checks: Vec<Condition>,
    /// Primary keys, unique constraints and unique indexes.
    pub unique: Vec<Unique>,
    /// Exclusion constraints.
    pub exclusions: Vec<Condition>,
    /// The bounds of its partitions, as SQL.
    pub bounds: Vec<String>,
    /// The columns that they are bounds of; 0 for an expression.
    pub partitioned_by: Vec<i16>,
    /// The columns that its index scans can begin with.
    pub led: Vec<Vec<i16>>,
    /// The texts of its triggers' functions; none where it has no triggers of its own.
    pub triggers: Option<String>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Default))]
pub struct Column {
    /// As it is.
    pub bare: String,
    /// As it is written in SQL.
    pub name: String,
    /// The type as declared.
    pub declared: String,
    /// The type under all domains, without a length.
    pub base: String,
    /// The name of that type in the catalog, as in `int4`.
    pub kind: String,
    /// Its category in the catalog, as in `N` for numbers.
    pub category: String,
    /// The length or precision that its declaration gives, as the catalog has it; -1 for none.
    pub modifier: i32,
    /// NULL is refused.
    pub not_null: bool,
    /// It has a default.
    pub default: Option<String>,
    /// It is filled from a sequence.
    pub sequence: bool,
    /// `GENERATED ALWAYS AS IDENTITY`.
    pub identity: bool,
    /// It is computed.
    pub generated: bool,
    /// The labels of an enum.
    pub labels: Vec<String>,
    /// The conditions of its domain.
    pub domain: Option<String>,
    /// Of a composite type, the kinds of its fields: a category of the catalog, or the first label of an enum behind `E`.
    pub fields: Vec<String>,
}

impl Column {
    /// Whether an expression, as the server writes it, names the column: in full, and not in a string.
    pub(super) fn is_named_in(&self, expression: &str) -> bool {
        names(expression).any(|at| {
            let text = &expression[at];
            match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
                Some(inside) => inside.replace("\"\"", "\"") == self.bare,
                None => text == self.bare,
            }
        })
    }
}

/// Where an expression, as the server writes it, has what may be a column's name: no type's, no function's, no member's.
pub(super) fn names(expression: &str) -> impl Iterator<Item = Range<usize>> {
    Lexer::new(expression, 0).filter_map(|token| {
        let (before, behind) = (&expression[..token.start], &expression[token.end..]);
        let other = before.ends_with("::") || before.ends_with('.') || behind.starts_with(['(', '.']);
        (matches!(token.kind, TokenKind::Word | TokenKind::Quoted) && !other).then_some(token.start..token.end)
    })
}

/// `expression` with what `new` says in the place of the names that it says something for.
pub(super) fn with_names(expression: &str, new: impl Fn(&str) -> Option<String>) -> String {
    let (mut out, mut done) = (String::with_capacity(expression.len()), 0);
    for at in names(expression) {
        if let Some(name) = new(&expression[at.clone()]) {
            out.push_str(&expression[done..at.start]);
            out.push_str(&name);
            done = at.end;
        }
    }
    out + &expression[done..]
}

/// A foreign key.
#[derive(Debug, Clone)]
pub struct Foreign {
    /// Its number.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// The columns.
    pub columns: Vec<i16>,
    /// The table that it points to.
    pub parent: u32,
    /// The columns there.
    pub parent_columns: Vec<i16>,
    /// Rows are known to obey it.
    pub validated: bool,
    /// Its last column is a `PERIOD`, which parents cover together.
    pub period: bool,
    /// It refuses to have a parent deleted that rows point to.
    pub holds_parents: bool,
    /// It refuses to have the key of such a parent changed.
    pub holds_keys: bool,
}

/// A CHECK or an exclusion constraint; a key `WITHOUT OVERLAPS` is the latter.
#[derive(Debug, Clone)]
pub struct Condition {
    /// Its number.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// The columns.
    pub columns: Vec<i16>,
    /// The expression, or the definition of an exclusion constraint.
    pub text: String,
    /// Rows are known to obey it.
    pub validated: bool,
}

/// A unique key.
#[derive(Debug, Clone)]
pub struct Unique {
    /// The number of its index.
    pub oid: u32,
    /// The name of its index.
    pub name: String,
    /// The key, part by part, as SQL.
    pub keys: Vec<String>,
    /// It is the primary key's.
    pub primary: bool,
    /// The key's columns, those in expressions included.
    pub columns: Vec<i16>,
    /// The columns that its expressions and its predicate read.
    pub read: Vec<i16>,
    /// Some of the key is an expression.
    pub expression: bool,
    /// It holds where this is true.
    pub predicate: Option<String>,
    /// Two NULLs are equal.
    pub nulls_equal: bool,
}

const COLUMNS: &str = "
    SELECT c.oid, c.relname::text,
           CASE n.nspname WHEN 'public' THEN '' ELSE quote_ident(n.nspname) || '.' END || quote_ident(c.relname),
           a.attnum, a.attname::text, quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
           format_type(b.oid, NULL), b.typname::text, b.typcategory::text,
           CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END,
           a.attnotnull OR t.typnotnull, pg_get_expr(d.adbin, d.adrelid), a.attidentity <> '',
           a.attidentity = 'a', a.attgenerated <> '',
           CASE b.typtype WHEN 'e' THEN ARRAY(
               SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = b.oid ORDER BY e.enumsortorder) END,
           CASE t.typtype WHEN 'd' THEN (
               SELECT string_agg(pg_get_constraintdef(k.oid), ' ') FROM pg_constraint k
               WHERE k.contypid = t.oid AND k.contype = 'c') END,
           CASE c.relkind WHEN 'p' THEN ARRAY(
               SELECT pg_get_expr(p.relpartbound, p.oid) FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhrelid
               WHERE h.inhparent = c.oid AND p.relpartbound IS NOT NULL ORDER BY p.relname) END,
           CASE c.relkind WHEN 'p' THEN (
               SELECT k.partattrs::int2[] FROM pg_partitioned_table k WHERE k.partrelid = c.oid) END,
           CASE b.typtype WHEN 'c' THEN ARRAY(
               SELECT CASE WHEN x.typtype = 'e' THEN 'E' || (
                          SELECT e.enumlabel FROM pg_enum e WHERE e.enumtypid = x.oid ORDER BY e.enumsortorder LIMIT 1)
                      WHEN x.typname IN ('uuid', 'json', 'jsonb') THEN x.typname::text ELSE x.typcategory::text END
               FROM pg_attribute f JOIN pg_type x ON x.oid = f.atttypid
               WHERE f.attrelid = b.typrelid AND f.attnum > 0 AND NOT f.attisdropped ORDER BY f.attnum) END
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid
    JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND NOT c.relispartition
      AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    ORDER BY 3, a.attnum";

const CONSTRAINTS: &str = "
    SELECT c.conrelid, c.oid, c.conname::text, c.contype::text, coalesce(c.conkey, '{}'), c.confrelid,
           coalesce(c.confkey, '{}'), c.convalidated,
           CASE WHEN c.contype = 'c' THEN pg_get_expr(c.conbin, c.conrelid)
               WHEN c.contype IN ('f', 'x') THEN pg_get_constraintdef(c.oid)
               ELSE (SELECT 'EXCLUDE (' || string_agg(quote_ident(a.attname) || ' WITH ' || o.oprname, ', ' ORDER BY k.n) || ')'
                   FROM unnest(c.conkey, c.conexclop) WITH ORDINALITY k (number, operator, n)
                   JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number
                   JOIN pg_operator o ON o.oid = k.operator) END
    FROM pg_constraint c
    WHERE (c.contype IN ('c', 'f') OR c.conexclop IS NOT NULL) AND c.conrelid <> 0
    ORDER BY c.conrelid, c.conname";

const INDEXES: &str = "
    SELECT i.indrelid, i.indexrelid, c.relname::text, i.indkey::int2[], i.indnkeyatts, i.indexprs IS NOT NULL,
           pg_get_expr(i.indpred, i.indrelid), i.indisunique,
           i.indisunique AND coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false), i.indisprimary,
           CASE WHEN i.indisunique AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) THEN ARRAY(
               SELECT d.refobjsubid::int2 FROM pg_depend d
               WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                 AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid > 0
               ORDER BY 1) END,
           CASE WHEN i.indisunique AND i.indexprs IS NOT NULL THEN ARRAY(
               SELECT pg_get_indexdef(i.indexrelid, k, false) FROM generate_series(1, i.indnkeyatts) k) END
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_class r ON r.oid = i.indrelid AND r.relkind IN ('r', 'p') AND r.relnamespace >= 2200
    WHERE NOT i.indisexclusion AND i.indisvalid
    ORDER BY i.indrelid, c.relname";

const TRIGGERS: &str = "
    SELECT g.tgrelid, string_agg(DISTINCT p.prosrc, ' ')
    FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid
    WHERE NOT g.tgisinternal
    GROUP BY g.tgrelid";

impl Schema {
    /// Reads the schema of the database that `client` is in.
    pub async fn read(client: &Client) -> Result<Schema, tokio_postgres::Error> {
        let (columns, constraints, indexes, triggers) = tokio::try_join!(
            client.query(COLUMNS, &[]),
            client.query(CONSTRAINTS, &[]),
            client.query(INDEXES, &[]),
            client.query(TRIGGERS, &[]),
        )?;
        let mut schema = Schema::default();
        for row in &columns {
            schema.column(row)?;
        }
        for row in &constraints {
            schema.constraint(row)?;
        }
        for row in &indexes {
            schema.index(row)?;
        }
        for row in &triggers {
            if let Some(at) = schema.by_oid.get(&row.try_get(0)?) {
                schema.tables[*at].triggers = row.try_get(1)?;
            }
        }
        Ok(schema)
    }

    fn column(&mut self, row: &Row) -> Result<(), tokio_postgres::Error> {
        let oid: u32 = row.try_get(0)?;
        let at = match self.by_oid.get(&oid) {
            Some(at) => *at,
            None => {
                let table = Table {
                    oid,
                    bare: row.try_get(1)?,
                    name: row.try_get(2)?,
                    columns: IndexMap::new(),
                    foreign: Vec::new(),
                    checks: Vec::new(),
                    unique: Vec::new(),
                    exclusions: Vec::new(),
                    bounds: row.try_get::<_, Option<_>>(18)?.unwrap_or_default(),
                    partitioned_by: row.try_get::<_, Option<_>>(19)?.unwrap_or_default(),
                    led: Vec::new(),
                    triggers: None,
                };
                self.by_name.insert(table.name.clone(), self.tables.len());
                self.tables.push(table);
                self.by_oid.insert(oid, self.tables.len() - 1);
                self.tables.len() - 1
            }
        };
        let default: Option<String> = row.try_get(12)?;
        let counted = default.as_ref().is_some_and(|default| default.starts_with("nextval("));
        let column = Column {
            bare: row.try_get(4)?,
            name: row.try_get(5)?,
            declared: row.try_get(6)?,
            base: row.try_get(7)?,
            kind: row.try_get(8)?,
            category: row.try_get(9)?,
            modifier: row.try_get(10)?,
            not_null: row.try_get(11)?,
            default,
            sequence: counted || row.try_get(13)?,
            identity: row.try_get(14)?,
            generated: row.try_get(15)?,
            labels: row.try_get::<_, Option<_>>(16)?.unwrap_or_default(),
            domain: row.try_get(17)?,
            fields: row.try_get::<_, Option<_>>(20)?.unwrap_or_default(),
        };
        self.tables[at].columns.insert(row.try_get(3)?, column);
        Ok(())
    }

    fn constraint(&mut self, row: &Row) -> Result<(), tokio_postgres::Error> {
        let Some(at) = self.by_oid.get(&row.try_get(0)?) else { return Ok(()) };
        let table = &mut self.tables[*at];
        let (oid, name, columns, validated) = (row.try_get(1)?, row.try_get(2)?, row.try_get(4)?, row.try_get(7)?);
        match row.try_get::<_, &str>(3)? {
            "f" => {
                let definition: &str = row.try_get(8)?;
                // What is not said is NO ACTION.
                let holds = |what: &str| !definition.contains(what) || definition.contains(&format!("{what}RESTRICT"));
                table.foreign.push(Foreign {
                    oid,
                    name,
                    columns,
                    parent: row.try_get(5)?,
                    parent_columns: row.try_get(6)?,
                    validated,
                    period: definition.contains(", PERIOD "),
                    holds_parents: holds(" ON DELETE "),
                    holds_keys: holds(" ON UPDATE "),
                });
            }
            "c" => table.checks.push(Condition { oid, name, columns, text: row.try_get(8)?, validated }),
            _ => table.exclusions.push(Condition { oid, name, columns, text: row.try_get(8)?, validated }),
        }
        Ok(())
    }

    fn index(&mut self, row: &Row) -> Result<(), tokio_postgres::Error> {
        let Some(at) = self.by_oid.get(&row.try_get(0)?) else { return Ok(()) };
        let table = &mut self.tables[*at];
        let keys: Vec<i16> = row.try_get(3)?;
        let count: i16 = row.try_get(4)?;
        let mut columns: Vec<i16> = keys.into_iter().take(usize::try_from(count).unwrap_or(0)).collect();
        let expression: bool = row.try_get(5)?;
        let predicate: Option<String> = row.try_get(6)?;
        // A partial index on what is not NULL finds children as well.
        let whole = predicate.as_ref().is_none_or(|text| text.ends_with("IS NOT NULL)") && !text.contains(" AND "));
        if whole && !columns.contains(&0) {
            table.led.push(columns.clone());
        }
        if !row.try_get::<_, bool>(7)? {
            return Ok(());
        }
        let named = |number: &i16| Some(table.columns.get(number)?.name.clone());
        let keys = match row.try_get::<_, Option<Vec<String>>>(11)? {
            Some(keys) => keys,
            None => columns.iter().filter_map(named).collect(),
        };
        let read: Option<Vec<i16>> = row.try_get(10)?;
        let read = read.unwrap_or_else(|| columns.clone());
        let plain = columns.iter().all(|column| *column > 0);
        columns.retain(|column| *column > 0);
        if !plain {
            columns.extend(&read);
        }
        columns.sort_unstable();
        columns.dedup();
        table.unique.push(Unique {
            oid: row.try_get(1)?,
            name: row.try_get(2)?,
            keys,
            primary: row.try_get(9)?,
            columns,
            read,
            expression,
            predicate,
            nulls_equal: row.try_get(8)?,
        });
        Ok(())
    }

    /// The same tables, with the foreign keys that `after` has on their columns.
    pub fn with_keys_of(&self, after: &Schema) -> Schema {
        let mut schema = self.clone();
        for table in &mut schema.tables {
            let Some(new) = after.get(table.oid) else { continue };
            let fits = |key: &&Foreign| {
                key.columns.iter().all(|column| table.columns.contains_key(column))
                    && self.get(key.parent).is_some_and(|parent| {
                        key.parent_columns.iter().all(|column| parent.columns.contains_key(column))
                    })
            };
            let more: Vec<Foreign> = new.foreign.iter().filter(fits).cloned().collect();
            table.foreign.extend(
                more.into_iter().filter(|key| table.foreign.iter().all(|old| old.oid != key.oid)).collect::<Vec<_>>(),
            );
        }
        schema
    }

    /// The place of the table with this number.
    pub fn find(&self, oid: u32) -> Option<usize> {
        self.by_oid.get(&oid).copied()
    }

    /// The table with this number.
    pub fn get(&self, oid: u32) -> Option<&Table> {
        self.find(oid).map(|at| &self.tables[at])
    }

    /// The table of this name, as written in SQL.
    pub fn named(&self, name: &str) -> Option<&Table> {
        self.by_name.get(name).map(|at| &self.tables[*at])
    }
}

impl Table {
    /// The column of this name, as it is.
    pub fn column(&self, bare: &str) -> Option<&Column> {
        self.columns.values().find(|column| column.bare == bare)
    }

    /// Its name without the schema, as it is written in SQL.
    pub fn quoted(&self) -> &str {
        let bare = if self.name.ends_with('"') { self.bare.replace('"', "\"\"").len() + 2 } else { self.bare.len() };
        self.name.len().checked_sub(bare).and_then(|at| self.name.get(at..)).unwrap_or(&self.name)
    }

    /// The columns of its primary key, as they are written in SQL.
    pub fn primary(&self) -> Option<&[String]> {
        self.unique.iter().find(|key| key.primary).map(|key| key.keys.as_slice())
    }

    /// Whether the server means this table when it says `said` (with the schema unless that is `public`, unquoted).
    pub fn is_called(&self, said: &str) -> bool {
        self.name == said || self.name.replace('"', "") == said
    }

    /// Whether some unique key has the column.
    pub fn is_key(&self, column: i16) -> bool {
        self.unique.iter().any(|unique| unique.columns.contains(&column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_named_by_its_whole_name() {
        let column = |bare: &str| Column {
            bare: bare.to_owned(),
            name: String::new(),
            declared: String::new(),
            base: String::new(),
            kind: String::new(),
            category: String::new(),
            modifier: -1,
            not_null: false,
            default: None,
            sequence: false,
            identity: false,
            generated: false,
            labels: Vec::new(),
            domain: None,
            fields: Vec::new(),
        };
        for (bare, expression, named) in [
            ("name", "lower(name)", true),
            ("name", "lower(nickname)", false),
            ("name", "lower(name_of)", false),
            ("name", "(doc ->> 'name'::text)", false),
            ("Name", "lower(\"Name\")", true),
            ("name", "lower(\"Name\")", false),
            ("odd \"one\"", "lower(\"odd \"\"one\"\"\")", true),
            ("status", "(state <> 'gone'::status)", false),
            ("status", "(state <> 'gone'::app.status)", false),
            ("lower", "lower(name)", false),
            ("app", "app.lower(name)", false),
            ("n", "(tags[1:n] = '{}'::text[])", true),
        ] {
            assert_eq!(column(bare).is_named_in(expression), named, "{bare} in {expression}");
        }
    }
}
