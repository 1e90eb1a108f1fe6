//! What a statement does not find: the schemas that have something of that name, the constraints that may be meant.

use super::ServerError;
use crate::engine::session::Session;
use crate::sql::identifier;

/// So many schemas are told.
const TOLD: i64 = 4;

/// So many constraints are told.
const MEANT: usize = 3;

/// How much alike two names are, of 1, where one may be a slip for the other.
const ALIKE: f64 = 0.8;

/// What runners, libraries and people write into a constraint's name for its kind, after the server's letter for that.
const WORDS: &[(&str, &[&str])] = &[
    ("f", &["foreignkey", "foreign", "fkey", "fk"]),
    ("u", &["unique", "uniq", "ukey", "key", "uq", "uk"]),
    ("p", &["primary", "pkey", "pk"]),
    ("c", &["check", "chk", "ck"]),
    ("x", &["exclude", "excl"]),
    ("n", &["notnull"]),
];

/// The kinds of things that are looked up by name, as the server begins to say that one is missing, with the catalog, its
/// column of names and its column of schemas.
const KINDS: &[(&str, &str, &str)] = &[
    ("relation ", "pg_class", "rel"),
    ("type ", "pg_type", "typ"),
    ("function ", "pg_proc", "pro"),
    ("procedure ", "pg_proc", "pro"),
];

/// The schemas that have something of the name that `error` says is missing, as they were before the migration.
pub(super) async fn elsewhere(observer: &Session, error: &ServerError) -> Vec<String> {
    let Some((catalog, column, names)) = wanted(error) else { return Vec::new() };
    let sql = format!(
        "SELECT DISTINCT n.nspname::pg_catalog.text FROM pg_catalog.{catalog} o
             JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) o.{column}namespace
         WHERE o.{column}name::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.text[])
           AND n.nspname::pg_catalog.text OPERATOR(pg_catalog.!~) '^(pg_|information_schema$)' ORDER BY 1 LIMIT $2"
    );
    let rows = observer.client().query(&sql, &[&names, &TOLD]).await.unwrap_or_default();
    rows.iter().map(|row| identifier(row.get(0))).collect()
}

/// The constraints that may be meant by one that `error` says a table has not, each with what it says, as they were before
/// the migration.
pub(super) async fn meant(observer: &Session, error: &ServerError) -> Vec<String> {
    let Some((constraint, table)) = unknown(error) else { return Vec::new() };
    let sql = "
        SELECT c.conname::pg_catalog.text, c.contype::pg_catalog.text, p.relname::pg_catalog.text,
            ARRAY(SELECT a.attname::pg_catalog.text
                FROM pg_catalog.unnest(c.conkey) WITH ORDINALITY k (number, n) JOIN pg_catalog.pg_attribute a
                    ON a.attrelid OPERATOR(pg_catalog.=) c.conrelid AND a.attnum OPERATOR(pg_catalog.=) k.number ORDER BY k.n),
            ARRAY(SELECT a.attname::pg_catalog.text
                FROM pg_catalog.unnest(c.confkey) WITH ORDINALITY k (number, n) JOIN pg_catalog.pg_attribute a
                    ON a.attrelid OPERATOR(pg_catalog.=) c.confrelid AND a.attnum OPERATOR(pg_catalog.=) k.number ORDER BY k.n),
            pg_catalog.pg_get_constraintdef(c.oid)
        FROM pg_catalog.pg_constraint c
        JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) c.conrelid
        JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.relnamespace
        LEFT JOIN pg_catalog.pg_class p ON p.oid OPERATOR(pg_catalog.=) c.confrelid
        WHERE t.relname::pg_catalog.text OPERATOR(pg_catalog.=) $1
            AND n.nspname::pg_catalog.text OPERATOR(pg_catalog.!~) '^(pg_|information_schema$)'
        ORDER BY 1";
    let rows = observer.client().query(sql, &[&table]).await.unwrap_or_default();
    let one = |row: &tokio_postgres::Row| Constraint {
        name: row.get(0),
        kind: row.get(1),
        parent: row.get(2),
        columns: row.get(3),
        parent_columns: row.get(4),
        says: row.get(5),
    };
    let all: Vec<Constraint> = rows.iter().map(one).collect();
    near(constraint, table, &all).iter().map(|one| format!("{} ({})", identifier(&one.name), one.says)).collect()
}

/// The constraint and the table of which `error` says that it does not have it.
fn unknown(error: &ServerError) -> Option<(&str, &str)> {
    let said = error.message.strip_prefix("constraint \"").filter(|_| error.sqlstate == "42704")?;
    let said = said.strip_suffix("\" does not exist")?;
    said.split_once("\" of relation \"").or_else(|| said.split_once("\" for table \""))
}

/// One constraint of the table.
struct Constraint {
    name: String,
    kind: String,
    parent: Option<String>,
    columns: Vec<String>,
    parent_columns: Vec<String>,
    says: String,
}

/// Those of `all` whose kind and columns `name` says, else those with nearly that name. None where one has this very name: the
/// migration has taken it away before.
fn near<'c>(name: &str, table: &str, all: &'c [Constraint]) -> Vec<&'c Constraint> {
    if all.iter().any(|one| one.name == name) {
        return Vec::new();
    }
    let over: Vec<&Constraint> = all.iter().filter(|one| one.is_said_by(name, table)).take(MEANT).collect();
    if !over.is_empty() {
        return over;
    }
    let alike =
        |one: &Constraint| strsim::normalized_damerau_levenshtein(&one.name.to_lowercase(), &name.to_lowercase());
    let mut alike: Vec<(f64, &Constraint)> = all.iter().map(|one| (alike(one), one)).collect();
    alike.retain(|(how, _)| *how >= ALIKE);
    alike.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    alike.into_iter().map(|(_, one)| one).take(MEANT).collect()
}

impl Constraint {
    /// Whether a constraint of this kind over these columns of `table` may be called `name`: `orders_user_id_fkey`,
    /// `fk_orders_user_id`, `orders_user_id_users_id_fk`, `FK_orders_users`.
    fn is_said_by(&self, name: &str, table: &str) -> bool {
        let plain = |name: &str| name.to_lowercase().replace('_', "");
        let mut said = plain(name);
        for (kind, words) in WORDS {
            let cut = words.iter().find_map(|word| said.strip_suffix(word).or_else(|| said.strip_prefix(word)));
            if let Some(cut) = cut {
                if *kind != self.kind {
                    return false;
                }
                said = cut.to_owned();
                break;
            }
        }
        let said = said.strip_prefix(&plain(table)).unwrap_or(&said);
        let (own, theirs) = (plain(&self.columns.concat()), plain(&self.parent_columns.concat()));
        let parent = plain(self.parent.as_deref().unwrap_or_default());
        let names = [own.clone(), format!("{parent}{own}"), format!("{own}{parent}{theirs}"), parent];
        !said.is_empty() && names.iter().any(|name| name == said)
    }
}

/// The catalog, the beginning of its columns' names, and what the missing thing may be called without its schema.
fn wanted(error: &ServerError) -> Option<(&'static str, &'static str, Vec<String>)> {
    if !matches!(error.sqlstate.as_str(), "42P01" | "42704" | "42883") {
        return None;
    }
    let said = error.message.strip_suffix(" does not exist")?;
    let (kind, catalog, column) = KINDS.iter().find(|(kind, ..)| said.starts_with(kind))?;
    let named = said.strip_prefix(kind)?;
    let name = match named.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted,
        // `shop.total(integer, text)`
        None => named.split_once('(').map_or(named, |(name, _)| name),
    };
    let name = name.trim_end_matches("[]");
    // What the server shows in quotes may have a schema, and may have a dot of its own.
    let bare = name.rsplit_once('.').map_or(name, |(_, bare)| bare);
    let mut names = vec![name.to_owned()];
    names.extend((bare != name).then(|| bare.to_owned()));
    Some((catalog, column, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_is_missing_is_read_from_the_servers_words() {
        let names = |sqlstate: &str, message: &str| {
            let error =
                ServerError { sqlstate: sqlstate.to_owned(), message: message.to_owned(), ..ServerError::default() };
            wanted(&error).map(|(catalog, _, names)| format!("{catalog} {}", names.join(" ")))
        };
        assert_eq!(names("42P01", "relation \"users\" does not exist").as_deref(), Some("pg_class users"));
        assert_eq!(names("42P01", "relation \"a.users\" does not exist").as_deref(), Some("pg_class a.users users"));
        assert_eq!(names("42704", "type \"mood[]\" does not exist").as_deref(), Some("pg_type mood"));
        assert_eq!(names("42704", "type mood does not exist").as_deref(), Some("pg_type mood"));
        let function = "function uuid_generate_v4() does not exist";
        assert_eq!(names("42883", function).as_deref(), Some("pg_proc uuid_generate_v4"));
        assert_eq!(names("42704", "role \"x\" does not exist"), None);
        assert_eq!(names("42501", "relation \"x\" does not exist"), None);
    }
    #[test]
    fn a_constraint_is_found_by_what_its_name_says() {
        let one = |kind: &str, name: &str, columns: &[&str]| Constraint {
            name: name.to_owned(),
            kind: kind.to_owned(),
            parent: (kind == "f").then(|| "users".to_owned()),
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            parent_columns: if kind == "f" { vec!["id".to_owned()] } else { Vec::new() },
            says: String::new(),
        };
        let all = [
            one("p", "pk_1", &["id"]),
            one("f", "buyer", &["userId"]),
            one("u", "one_a_day", &["user_id", "day"]),
            one("c", "orders_total_positive", &["total"]),
        ];
        let meant =
            |name: &str| near(name, "orders", &all).iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(" ");
        for name in [
            "orders_user_id_fkey",
            "FK_orders_userId",
            "orders_user_id_users_id_fk",
            "fk_orders_users",
            "orders_userid_foreign",
        ] {
            assert_eq!(meant(name), "buyer", "{name}");
        }
        assert_eq!(meant("orders_user_id_day_key"), "one_a_day");
        assert_eq!(meant("orders_pkey"), "", "no column is named");
        assert_eq!(meant("orders_total_check"), "orders_total_positive");
        assert_eq!(meant("order_total_positiv"), "orders_total_positive", "a slip");
        assert_eq!(meant("orders_user_id_key"), "", "another kind");
        assert_eq!(meant("buyer"), "", "it was there");
    }

    #[test]
    fn the_constraint_that_a_table_has_not_is_read_from_the_servers_words() {
        let told = |message: &str| {
            let error =
                ServerError { sqlstate: "42704".to_owned(), message: message.to_owned(), ..ServerError::default() };
            unknown(&error).map(|(name, table)| format!("{name} {table}"))
        };
        assert_eq!(told("constraint \"c\" of relation \"t\" does not exist").as_deref(), Some("c t"));
        assert_eq!(told("constraint \"c\" for table \"t\" does not exist").as_deref(), Some("c t"));
        assert_eq!(told("constraint \"c\" does not exist"), None);
    }
}
