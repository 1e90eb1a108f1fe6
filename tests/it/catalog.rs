//! Snapshots of a real server's catalog: what they see, that reading less reads the same, and how long it takes.

use std::time::{Duration, Instant};

use migd::catalog::{Change, Grade, Reader, Snapshot, compare, flush};
use tokio_postgres::Client;

use crate::catalog_cases::CASES;
use crate::support::cluster::cluster;

async fn run(client: &Client, sql: &str) {
    if let Err(error) = client.batch_execute(sql).await {
        panic!("{sql}\n{:?}", error.as_db_error().map(|e| e.message().to_owned()));
    }
}

/// Roles for the tests, which all databases of the cluster share.
async fn roles() {
    let admin = cluster().connect("postgres").await;
    for role in ["app", "other", "reader", "chained"] {
        // Another test may have been faster.
        let _ = admin.batch_execute(&format!("create role {role}")).await;
    }
}

/// What a person is told: cosmetic differences begin with `~`.
fn said(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let mark = |grade| if grade == Grade::Cosmetic { "~ " } else { "" };
    compare(before, after).into_iter().map(|d| format!("{}{}", mark(d.grade), d.words)).collect()
}

#[tokio::test]
async fn every_case_is_said_in_its_words() {
    roles().await;
    let mut wrong = String::new();
    let major = cluster().major(&cluster().connect("postgres").await).await;
    for case in CASES {
        if case.since > major {
            println!("NOT RUN: {}, for it takes PostgreSQL {} and this is {major}", case.up, case.since);
            continue;
        }
        let (client, _) = cluster().database().await;
        run(&client, case.setup).await;
        let reader = Reader::prepare(&client).await.unwrap();
        let before = reader.full(&client).await.unwrap();
        run(&client, case.up).await;
        let up = reader.since(&client, &before).await.unwrap();
        run(&client, case.down).await;
        let after = reader.since(&client, &up).await.unwrap();
        let full = reader.full(&client).await.unwrap();
        if !after.same(&full) {
            wrong += &format!("{}; {}\n  since differs from full: {:?}\n", case.up, case.down, said(&after, &full));
        }
        let said: Vec<String> = said(&before, &after).iter().map(|line| unqualified(line)).collect();
        let expected: Vec<String> = case.said.iter().map(|line| unqualified(line)).collect();
        if said != expected {
            wrong += &format!("{}; {}\n  expected {:#?}\n  said {said:#?}\n", case.up, case.down, case.said);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Before 16 the server qualified the columns of a view on one table.
fn unqualified(line: &str) -> String {
    if line.starts_with("view titles") { line.replace("posts.", "") } else { line.to_owned() }
}

/// Statements whose effects reach into the texts of objects that they do not touch, one after another.
const CHAIN: &[&str] = &[
    "create table users (id serial primary key, email text not null unique, born date default date '2000-01-01')",
    "create table posts (id bigint generated always as identity, user_id int references users, body text)",
    "create index on posts (user_id) where body is not null",
    "create view authors as select u.id, u.email, count(*) as n from users u join posts p on p.user_id = u.id group by u.id",
    "create view names as select email from authors",
    "create type mood as enum ('sad', 'ok')",
    "alter table users add mood mood default 'ok'",
    "create view happy as select * from users where mood = 'ok'",
    "alter type mood add value 'happy' after 'ok'",
    "alter type mood rename value 'ok' to 'fine'",
    "alter table users rename email to mail",
    "alter table users rename to people",
    "alter view authors rename column n to posts",
    "create function twice(a int) returns int language sql immutable as 'select 2 * a'",
    "create index twice_idx on posts (twice(user_id))",
    "alter function twice(int) rename to double",
    "create function first_mail() returns text language sql begin atomic select mail from people order by id; end",
    "alter table people rename mail to email",
    "alter table people add phone text",
    "create policy own on posts using (user_id in (select id from people))",
    "alter table people rename id to uid",
    "create schema app",
    "alter table posts set schema app",
    "alter schema app rename to blog",
    "create sequence blog.s owned by blog.posts.body",
    "alter sequence blog.s rename to t",
    "alter sequence blog.t owned by none",
    "create domain mail as text check (value like '%@%')",
    "drop view names, authors, happy",
    "drop function first_mail",
    "alter table people alter email type mail",
    "alter table people alter phone type varchar(20)",
    "alter domain mail rename to address",
    "alter domain address add constraint short check (length(value) < 100) not valid",
    "create table logs (at timestamptz not null, what text) partition by range (at)",
    "create table logs_1 partition of logs for values from ('2024-01-01') to ('2025-01-01')",
    "create index on logs (what)",
    "create table logs_2 (at timestamptz not null, what text)",
    "alter table logs attach partition logs_2 for values from ('2025-01-01') to ('2026-01-01')",
    "alter table logs add constraint once unique (at, what)",
    "alter table logs rename constraint once to only_once",
    "alter table logs add constraint named check (what <> '')",
    "alter table logs rename constraint named to told",
    "create function seen() returns trigger language plpgsql as 'begin return new; end'",
    "create trigger seen after insert on logs for each row execute function seen()",
    "alter trigger seen on logs rename to looked_at",
    "alter table logs detach partition logs_1",
    "alter table logs rename to journal",
    "grant select on people to chained",
    "grant update (phone) on people to chained",
    "revoke execute on function double(int) from public",
    "alter default privileges in schema blog grant select on tables to chained",
    "comment on table people is 'who'",
    "comment on column people.phone is 'where'",
    "comment on type address is 'mail'",
    "create type pair as (a int, b mood)",
    "create table pairs (p pair, check ((p).a > 0))",
    "create view firsts as select (p).a from pairs where (p).b = 'fine'",
    "comment on type pair is 'two'",
    "alter type pair rename attribute a to first",
    "alter type mood rename to feeling",
    "create function touch() returns trigger language plpgsql as 'begin return new; end'",
    "create trigger touch before update on people for each row execute function touch()",
    "alter function touch() rename to touched",
    "alter table people disable trigger touch",
    "alter table blog.posts disable trigger all",
    "alter table blog.posts enable row level security",
    "create rule quiet as on delete to people do instead nothing",
    "create publication p for table people where (uid > 1)",
    "alter table people rename uid to id",
    "create statistics st on user_id, body from blog.posts",
    "alter table blog.posts rename body to content",
    "create materialized view mv as select id, phone from people with no data",
    "refresh materialized view mv",
    "create unique index on mv (id)",
    "alter table people add constraint k unique using index people_k_idx",
    "alter table people drop constraint k",
    "alter table people replica identity full",
    "cluster people using people_again",
    "alter table people alter phone set statistics 10, alter phone set storage external",
    "alter table people set (fillfactor = 70, toast.autovacuum_enabled = false)",
    "create operator === (leftarg = int, rightarg = int, function = int4eq)",
    "create view eq as select id from people where id === 1",
    "create collation german (locale = 'C')",
    "alter table people add nick text collate german",
    "alter collation german rename to deutsch",
    "create text search configuration conf (copy = simple)",
    "alter text search configuration conf rename to config",
    "create foreign data wrapper w",
    "create server srv foreign data wrapper w options (host 'x')",
    "create user mapping for public server srv options (password 'secret')",
    "create foreign table far (id int) server srv options (t 'x')",
    "alter server srv rename to serve",
    "alter user mapping for public server serve options (set password 'other')",
    "alter role chained rename to enchained",
    "alter role enchained rename to chained",
    "create cast (pair as text) with inout as assignment",
    "create aggregate total (int) (sfunc = int4pl, stype = int, initcond = '0')",
    "create event trigger noisy on ddl_command_end execute function pg_catalog.event_trigger_in()",
    "create extension if not exists plpgsql",
    "alter table people owner to other",
    "reassign owned by other to admin",
    "drop table blog.posts cascade",
    "alter table people drop column phone cascade",
    "drop schema blog cascade",
    "drop table people cascade",
    "drop type feeling cascade",
];

/// What must come first for a statement of the chain that needs it.
const BEFORE: &[(&str, &str)] = &[
    ("alter table people add constraint k", "create unique index people_k_idx on people (phone)"),
    ("cluster people", "create unique index people_again on people (id)"),
    ("create event trigger", "create function noise() returns event_trigger language plpgsql as 'begin end'"),
];

#[tokio::test]
async fn reading_what_changed_gives_the_same_as_reading_everything() {
    let (client, _) = cluster().database().await;
    roles().await;
    let reader = Reader::prepare(&client).await.unwrap();
    let mut base = reader.full(&client).await.unwrap();
    let filters = cluster().major(&client).await >= 15;
    for sql in CHAIN {
        for (statement, before) in BEFORE {
            if sql.starts_with(statement) {
                run(&client, before).await;
            }
        }
        let sql = sql.replace("pg_catalog.event_trigger_in()", "noise()");
        // Before 15 a publication has whole tables.
        let sql = if filters { sql } else { sql.replace(" where (uid > 1)", "") };
        run(&client, &sql).await;
        let since = reader.since(&client, &base).await.unwrap();
        let full = reader.full(&client).await.unwrap();
        assert!(since.same(&full), "{sql}: {:#?}", said(&since, &full));
        assert_eq!(said(&since, &full), Vec::<String>::new(), "{sql}");
        assert!(
            sql.contains("if not exists") || sql.starts_with("alter role") || !since.same(&base),
            "{sql}: not seen"
        );
        base = since;
    }
}

/// Runs `statements` one after the other in a copy of the database `name`, and holds after each a new session's reading of what
/// the server has counted against a reading of everything. What differs.
async fn miscounted(name: &str, statements: &[&str]) -> String {
    let mut wrong = String::new();
    let (client, copy) = cluster().copy(name).await;
    let reader = Reader::prepare(&client).await.unwrap();
    let base = reader.full(&client).await.unwrap();
    for sql in statements {
        run(&client, sql).await;
        assert!(flush(&client).await.unwrap(), "it counts");
        let observer = cluster().connect(&copy).await;
        Reader::settle(&observer).await.unwrap();
        let fresh = Reader::attach(cluster().major(&observer).await).alone();
        assert!(fresh.asks_first());
        let counted = fresh.since_counted(&observer, &base).await.unwrap();
        let full = reader.full(&client).await.unwrap();
        if !counted.same(&full) {
            wrong += &format!("{sql}\n  {:?}\n", said(&counted, &full));
        }
    }
    wrong
}

#[tokio::test]
async fn what_the_server_counts_as_written_is_all_that_changed() {
    let (client, name) = cluster().database().await;
    if cluster().major(&client).await < 15 {
        println!("NOT RUN: before 15 the counts come late");
        return;
    }
    drop(client);
    roles().await;
    // Roles are read whatever the counts say, and another test renames its own meanwhile.
    for sql in CHAIN.iter().filter(|sql| !sql.starts_with("alter role")) {
        let before = BEFORE.iter().filter(|(statement, _)| sql.starts_with(statement)).map(|(_, before)| *before);
        let sql = sql
            .replace("pg_catalog.event_trigger_in()", "noise()")
            .replace("enchained", "other")
            .replace("chained", "other");
        for statement in before.chain([sql.as_str()]) {
            assert_eq!(miscounted(&name, &[statement]).await, "");
            run(&cluster().connect(&name).await, statement).await;
        }
    }
}

#[tokio::test]
async fn what_is_counted_is_all_that_differs_in_every_case() {
    let major = cluster().major(&cluster().connect("postgres").await).await;
    if major < 15 {
        println!("NOT RUN: before 15 the counts come late");
        return;
    }
    roles().await;
    let mut wrong = String::new();
    for case in CASES.iter().filter(|case| case.since <= major) {
        let (client, name) = cluster().database().await;
        run(&client, case.setup).await;
        drop(client);
        wrong += &miscounted(&name, &[case.up, case.down]).await;
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[tokio::test]
async fn where_the_counts_were_put_back_everything_is_read() {
    let (client, name) = cluster().database().await;
    if cluster().major(&client).await >= 15 {
        drop(client);
        let forgotten = "create function f() returns int language sql as 'select 1'; select pg_stat_reset()";
        assert_eq!(miscounted(&name, &[forgotten, "select 1"]).await, "");
    }
}

#[tokio::test]
async fn a_session_that_does_not_count_says_so() {
    let (client, _) = cluster().database().await;
    if cluster().major(&client).await >= 15 {
        assert!(flush(&client).await.unwrap());
        run(&client, "set track_counts = off").await;
        assert!(!flush(&client).await.unwrap());
    }
}

/// What happens to catalog rows, whatever happens to objects, one after another; and whether the schema is another then.
const ROWS: &[(&str, &str, bool)] = &[
    ("nothing", "select 1", false),
    ("a row is gone, and nothing else", "comment on table t is null", true),
    ("a row of another catalog is gone", "drop trigger touched on t", true),
    ("one is gone and another has come", "drop index t_v; create index t_w on t (w)", true),
    ("one is gone and has come again", "drop index t_w; create index t_w on t (w)", false),
    (
        "a row is written twice, in the end as it was",
        "alter table t alter v drop default; alter table t alter v set default 'x'",
        false,
    ),
    ("the same in one transaction", "begin; alter table t rename v to u; alter table t rename u to v; commit", false),
    ("written and rolled back", "begin; alter table t add y int; create table u (id int); rollback", false),
    (
        "a subtransaction is rolled back and another one is not",
        "begin; savepoint a; create table u (id int); rollback to a; savepoint b; create table u (name text); release b; commit",
        true,
    ),
    (
        "hundreds of subtransactions, every second one rolled back",
        "do $$ begin for i in 1..400 loop begin execute 'alter table t alter w set default ' || i;
            if i % 2 = 0 then raise 'no'; end if; exception when raise_exception then null; end; end loop; end $$",
        true,
    ),
    (
        "hundreds of transactions that write no schema",
        "do $$ begin for i in 1..400 loop insert into t (w) values (i); commit; end loop; end $$",
        false,
    ),
    ("rows are moved", "vacuum full pg_class; vacuum full pg_attribute", false),
    ("all that came is gone", "drop table u; drop index t_w; alter table t alter w drop default", true),
];

#[tokio::test]
async fn whatever_happens_to_catalog_rows_is_seen_and_what_is_seen_is_all() {
    let (client, _) = cluster().database().await;
    run(
        &client,
        "create table t (id serial, v text default 'x', w int); create index t_v on t (v); comment on table t is 'told';
         create function touch() returns trigger language plpgsql as 'begin return new; end';
         create trigger touched before update on t for each row execute function touch()",
    )
    .await;
    let reader = Reader::prepare(&client).await.unwrap();
    let first = reader.full(&client).await.unwrap();
    let mut base = first.clone();
    for (what, sql, another) in ROWS {
        // Each on its own: several in one query are one transaction.
        for statement in sql.split("; ").filter(|_| !sql.starts_with("do")).chain(sql.starts_with("do").then_some(*sql))
        {
            run(&client, statement).await;
        }
        let full = reader.full(&client).await.unwrap();
        for (from, base) in [("the one before", &base), ("the first one", &first)] {
            let since = reader.since(&client, base).await.unwrap();
            assert!(since.same(&full), "{what}, from {from}: {:#?}", said(&since, &full));
            assert_eq!(said(base, &since), said(base, &full), "{what}, from {from}");
        }
        assert_eq!(!full.same(&base), *another, "{what}: {:#?}", said(&base, &full));
        base = full;
    }
}

#[tokio::test]
async fn a_templates_snapshot_is_a_base_for_its_clones() {
    let (client, name) = cluster().database().await;
    run(&client, "create table t (id serial primary key, v text default 'x'); create view v as select id from t").await;
    let reader = Reader::prepare(&client).await.unwrap();
    let base = reader.full(&client).await.unwrap();
    drop(client);
    let (clone, _) = loop {
        // The template's session leaves in its own time.
        let admin = cluster().connect("postgres").await;
        let left = admin.query_one("select count(*) = 0 from pg_stat_activity where datname = $1", &[&name]).await;
        if left.unwrap().get(0) {
            break cluster().copy(&name).await;
        }
    };
    let reader = Reader::prepare(&clone).await.unwrap();
    let same = reader.since(&clone, &base).await.unwrap();
    assert!(same.same(&base));
    run(&clone, "alter table t alter v drop default").await;
    let after = reader.since(&clone, &base).await.unwrap();
    assert_eq!(said(&base, &after), ["column t.v: default 'x'::text is gone"]);
    assert_eq!(said(&after, &base), ["column t.v: default 'x'::text is new"]);
}

#[tokio::test]
async fn the_same_statements_give_the_same_schema_in_another_database() {
    roles().await;
    let mut snapshots = Vec::new();
    for extra in ["", "create table passing (id serial); drop table passing;", "create table more (id int)"] {
        let (client, _) = cluster().database().await;
        run(&client, extra).await;
        run(&client, CASES[0].setup).await;
        snapshots.push(Reader::prepare(&client).await.unwrap().full(&client).await.unwrap());
    }
    assert!(snapshots[0].same(&snapshots[1]));
    assert_eq!(said(&snapshots[0], &snapshots[1]), Vec::<String>::new());
    assert_eq!(said(&snapshots[1], &snapshots[2]), ["table more: added"]);
}

#[tokio::test]
async fn within_a_transaction_every_statement_is_seen_and_nothing_of_the_session_changes() {
    let (client, _) = cluster().database().await;
    let reader = Reader::prepare(&client).await.unwrap();
    let base = reader.full(&client).await.unwrap();
    run(&client, "set search_path = pg_catalog").await;
    run(&client, "begin; set local datestyle = 'SQL, DMY'; create table public.t (a int)").await;
    let first = reader.since(&client, &base).await.unwrap();
    assert_eq!(said(&base, &first), ["table t: added"]);
    // Twice the same row in one transaction.
    run(&client, "alter table public.t alter a set default 1").await;
    let second = reader.since(&client, &first).await.unwrap();
    run(&client, "alter table public.t alter a set default 2").await;
    let third = reader.since(&client, &second).await.unwrap();
    assert_eq!(said(&second, &third), ["column t.a: default was 1, is 2"]);
    let show = async |name: &str| -> String { client.query_one(&format!("show {name}"), &[]).await.unwrap().get(0) };
    assert_eq!(show("search_path").await, "pg_catalog");
    assert_eq!(show("datestyle").await, "SQL, DMY");
    run(&client, "rollback").await;
    assert_eq!(show("search_path").await, "pg_catalog");
    assert_eq!(show("plan_cache_mode").await, "auto");
    assert!(reader.since(&client, &third).await.unwrap().same(&base));
    run(&client, "begin").await;
    let failed = client.batch_execute("select 1 / 0").await;
    assert!(failed.is_err() && reader.since(&client, &third).await.is_err(), "a failed transaction cannot be read in");
    run(&client, "rollback").await;
    assert!(reader.since(&client, &third).await.unwrap().same(&base), "a failed read leaves the session usable");
}

#[tokio::test]
async fn a_session_that_discards_everything_can_still_be_read() {
    let (client, _) = cluster().database().await;
    let reader = Reader::prepare(&client).await.unwrap();
    let base = reader.full(&client).await.unwrap();
    run(&client, "create table t (id int)").await;
    run(&client, "discard all").await;
    assert_eq!(said(&base, &reader.since(&client, &base).await.unwrap()), ["table t: added"]);
    run(&client, "deallocate all").await;
    run(&client, "begin; create table u (id int)").await;
    assert_eq!(said(&base, &reader.since(&client, &base).await.unwrap()), ["table t: added", "table u: added"]);
    run(&client, "rollback").await;
}

#[tokio::test]
async fn whoever_reads_sees_the_same() {
    roles().await;
    let (client, _) = cluster().database().await;
    run(
        &client,
        "create schema s; create table s.t (id serial); create policy p on s.t using (true);
         create publication p for table s.t; create statistics s.st on id, (id + 1) from s.t;
         create function s.f() returns int language sql security definer as 'select 1';
         revoke all on schema s from public; revoke all on all tables in schema s from public",
    )
    .await;
    let reader = Reader::prepare(&client).await.unwrap();
    let base = reader.full(&client).await.unwrap();
    run(&client, "set role reader").await;
    assert!(reader.full(&client).await.unwrap().same(&base));
}

#[tokio::test]
async fn what_the_session_sets_changes_no_text() {
    let (client, _) = cluster().database().await;
    run(
        &client,
        "create table t (at timestamptz default timestamptz '2024-01-02 03:04:05+00', d date default date '2024-01-02',
            f float8 default 0.1, i interval default interval '1 day', b bytea default '\\x00');
         create view v as select at from t where at > '2024-01-01 00:00:00+00'; create schema other",
    )
    .await;
    let reader = Reader::prepare(&client).await.unwrap();
    let base = reader.full(&client).await.unwrap();
    run(
        &client,
        "set timezone = 'Asia/Tokyo'; set datestyle = 'SQL, DMY'; set intervalstyle = iso_8601; set search_path = other;
         set extra_float_digits = 0; set bytea_output = escape; set quote_all_identifiers = on",
    )
    .await;
    assert!(reader.full(&client).await.unwrap().same(&base));
    run(&client, "create temp table t (x int)").await;
    assert!(reader.since(&client, &base).await.unwrap().same(&base), "temporary tables are not the schema's");
}

#[tokio::test]
async fn members_of_extensions_belong_to_them() {
    let (client, _) = cluster().database().await;
    let reader = Reader::prepare(&client).await.unwrap();
    let base = reader.full(&client).await.unwrap();
    let available = client.query("select 1 from pg_available_extensions where name = 'hstore'", &[]).await.unwrap();
    if available.is_empty() {
        panic!("the contrib modules of PostgreSQL are needed for this test");
    }
    run(&client, "create extension hstore").await;
    let with = reader.since(&client, &base).await.unwrap();
    assert_eq!(said(&base, &with), ["extension hstore: added"]);
    assert_eq!(with.len(), base.len() + 1);
    run(&client, "alter extension hstore drop function hstore(record)").await;
    let less = reader.since(&client, &with).await.unwrap();
    assert_eq!(said(&with, &less), ["function hstore(record): added"]);
    run(&client, "create table t (h hstore default hstore('a', 'b')); create schema s").await;
    let table = reader.since(&client, &less).await.unwrap();
    run(&client, "alter extension hstore set schema s").await;
    let moved = reader.since(&client, &table).await.unwrap();
    assert!(moved.same(&reader.full(&client).await.unwrap()), "members are named in texts of others");
    assert!(said(&table, &moved).contains(&"column t.h: type was hstore, is s.hstore".to_owned()));
    run(&client, "alter extension hstore set schema public; drop table t; drop schema s").await;
    let less = reader.since(&client, &moved).await.unwrap();
    assert!(less.same(&reader.full(&client).await.unwrap()));
    assert_eq!(compare(&with, &less)[0].change, Change::Added);
}

#[tokio::test]
async fn the_numbers_of_catalogs_are_the_servers() {
    let (client, _) = cluster().database().await;
    for (name, oid) in migd::catalog::catalogs() {
        let row = client.query_one("select $1::text::regclass::oid", &[&name]).await.unwrap();
        assert_eq!(row.get::<_, u32>(0), oid, "{name}");
    }
}

/// Prints, and asserts nothing: how long reads take for a schema of 100 tables.
#[tokio::test]
async fn durations_for_a_hundred_tables() {
    let (client, _) = cluster().database().await;
    for i in 0..100 {
        let sql = format!(
            "create table t{i} (id bigserial primary key, email text not null unique, name varchar(40) default 'x',
                parent bigint {}, at timestamptz not null default now(), a int, b int, c text, d jsonb, e numeric(10,2),
                check (a > 0 and b > 0));
             create index on t{i} (parent); create index on t{i} (at) where a is not null;
             create view v{i} as select id, email from t{i} where a > 1",
            if i > 0 { format!("references t{}", i - 1) } else { String::new() }
        );
        run(&client, &sql).await;
    }
    let started = Instant::now();
    let reader = Reader::prepare(&client).await.unwrap();
    let prepare = started.elapsed();
    let (mut full, mut idle, mut added, mut dropped, mut compared) = (vec![], vec![], vec![], vec![], vec![]);
    let mut base = reader.full(&client).await.unwrap();
    for _ in 0..20 {
        let mut step = async |times: &mut Vec<Duration>, everything: bool| {
            let started = Instant::now();
            let now = match everything {
                true => reader.full(&client).await,
                false => reader.since(&client, &base).await,
            };
            times.push(started.elapsed());
            let now = now.unwrap();
            let started = Instant::now();
            compare(&base, &now);
            compared.push(started.elapsed());
            base = now;
        };
        step(&mut full, true).await;
        step(&mut idle, false).await;
        run(&client, "alter table t5 add z int not null default 0, add constraint zz check (z >= 0)").await;
        step(&mut added, false).await;
        run(&client, "alter table t5 drop z").await;
        step(&mut dropped, false).await;
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    println!(
        "{} objects: prepare {prepare:?}, full {:?}, since without a change {:?}, after add column {:?}, after drop {:?}, compare {:?}",
        base.len(),
        median(&mut full),
        median(&mut idle),
        median(&mut added),
        median(&mut dropped),
        median(&mut compared)
    );
}
