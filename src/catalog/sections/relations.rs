//! Schemas, tables, columns, views, sequences, indexes and constraints.

use super::{Class, Version, collation, comment, grants, options, relation, role, schema};

pub(super) fn schemas() -> String {
    let (owner, acl, note) =
        (role("n.nspowner"), grants("n", "n.nspacl", "n.nspowner"), comment(Class::Schema, "n.oid"));
    format!(
        r#"select n.oid, 0, 'schema', quote_ident(n.nspname), null::text,
            {owner} as "owner", {acl} as "grants*", {note} as "comment"
        from pg_namespace n where n.oid = any($1::oid[])"#
    )
}

pub(super) fn tables() -> String {
    let (owner, acl, note) =
        (role("c.relowner"), grants("r", "c.relacl", "c.relowner"), comment(Class::Table, "c.oid"));
    let (storage, toast, server) = (options("c.reloptions"), options("t.reloptions"), options("f.ftoptions"));
    let schema = schema("c.relnamespace");
    format!(
        r#"select c.oid, 0, case c.relkind when 'f' then 'foreign table' else 'table' end, c.oid::regclass::text,
            concat_ws(E'\n', {schema}, case when c.relispartition then (select 'table ' || i.inhparent::regclass::text
                from pg_inherits i where i.inhrelid = c.oid) end),
            case c.relkind when 'p' then pg_get_partkeydef(c.oid) end as "partition key",
            case when c.relispartition then (select i.inhparent::regclass::text from pg_inherits i
                where i.inhrelid = c.oid) || ' ' || pg_get_expr(c.relpartbound, c.oid) end as "partition of",
            case when not c.relispartition then (select string_agg(i.inhparent::regclass::text, ', ' order by i.inhseqno)
                from pg_inherits i where i.inhrelid = c.oid) end as "inherits",
            case when c.reloftype <> 0 then format_type(c.reloftype, null) end as "of type",
            {owner} as "owner",
            case c.relpersistence when 'u' then '' end as "UNLOGGED?",
            case when c.relrowsecurity then '' end as "row level security?",
            case when c.relforcerowsecurity then '' end as "forced row level security?",
            case c.relreplident when 'n' then 'nothing' when 'f' then 'full' when 'i' then coalesce('index ' || (
                select x.indexrelid::regclass::text from pg_index x where x.indrelid = c.oid and x.indisreplident),
                'a dropped index') end as "replica identity",
            (select a.amname::text from pg_am a where a.oid = c.relam and a.amname <> 'heap') as "access method",
            (select s.spcname::text from pg_tablespace s where s.oid = c.reltablespace) as "tablespace~",
            {storage} as "options*", {toast} as "toast options*~",
            (select quote_ident(s.srvname) from pg_foreign_server s where s.oid = f.ftserver) as "server",
            {server} as "server options*",
            (select string_agg(quote_ident(a.attname), E'\n' order by a.attnum) from pg_attribute a
                where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as "column order^~",
            {acl} as "grants*", {note} as "comment"
        from pg_class c left join pg_foreign_table f on f.ftrelid = c.oid left join pg_class t on t.oid = c.reltoastrelid
        where c.oid = any($1::oid[])"#
    )
}

pub(super) fn columns(v: Version) -> String {
    // Since the minor releases of November 2026 the server keeps a number of its own among a column's options, another one
    // whenever the column is made; `pg_dump` leaves it out as well.
    let own = "array(select o from unnest(a.attoptions) o where o !~ '^pg_attver=')";
    let (local, fdw) = (options(own), options("a.attfdwoptions"));
    let acl = super::rights("a.attacl", "c.relowner", "null::aclitem[]");
    let (table, collation) = (relation("a.attrelid"), collation("nullif(a.attcollation, t.typcollation)"));
    let compression = v.pick(14, "case a.attcompression when 'p' then 'pglz' when 'l' then 'lz4' end", "null::text");
    // A NOT NULL is a constraint of its own from 18 on. Names that the server gives say nothing, after renames either.
    let required = v.pick(
        18,
        r#"case when not k.convalidated then '' end as "NOT VALID of NOT NULL?",
            case when k.connoinherit then '' end as "NO INHERIT of NOT NULL?",
            case when k.conname !~ '_not_null\d*$' then quote_ident(k.conname) end as "name of NOT NULL~",
            (select note.description from pg_description note where note.objoid = k.oid and note.classoid = 2606)
                as "comment of NOT NULL~","#,
        "",
    );
    let constraint = v.pick(
        18,
        "left join pg_constraint k on k.conrelid = a.attrelid and k.contype = 'n' and k.conkey[1] = a.attnum",
        "",
    );
    format!(
        r#"select a.attrelid, a.attnum::int4, 'column', a.attrelid::regclass::text || '.' || quote_ident(a.attname),
            concat_ws(E'\n', {table}, case when not a.attislocal then (select string_agg('column '
                || i.inhparent::regclass::text || '.' || quote_ident(a.attname), E'\n' order by i.inhseqno)
                from pg_inherits i where i.inhrelid = a.attrelid) end),
            format_type(a.atttypid, a.atttypmod) as "type", {collation} as "collation",
            case when a.attnotnull then '' end as "NOT NULL?", {required}
            case a.attgenerated when '' then pg_get_expr(d.adbin, d.adrelid) end as "default=",
            case a.attgenerated when '' then null when 's' then pg_get_expr(d.adbin, d.adrelid) || ' stored'
                else pg_get_expr(d.adbin, d.adrelid) || ' virtual' end as "generation=",
            case a.attidentity when 'a' then 'always' when 'd' then 'by default' end as "identity",
            case when a.attstorage <> t.typstorage then case a.attstorage when 'p' then 'plain' when 'e' then 'external'
                when 'm' then 'main' else 'extended' end end as "storage~",
            {compression} as "compression~", nullif(a.attstattarget, -1)::text as "statistics target~",
            case when a.attinhcount > 0 and a.attislocal then '' end as "own definition?~",
            {local} as "options*~", {fdw} as "server options*", {acl} as "grants*",
            (select o.description from pg_description o where o.objoid = a.attrelid and o.classoid = 1259
                and o.objsubid = a.attnum) as "comment"
        from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_type t on t.oid = a.atttypid
        left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum {constraint}
        where a.attrelid = any($1::oid[]) and a.attnum > 0 and not a.attisdropped"#
    )
}

pub(super) fn views() -> String {
    let (owner, acl, note) = (role("c.relowner"), grants("r", "c.relacl", "c.relowner"), comment(Class::View, "c.oid"));
    let (storage, toast, schema) = (options("c.reloptions"), options("t.reloptions"), schema("c.relnamespace"));
    format!(
        r#"select c.oid, 0, case c.relkind when 'm' then 'materialized view' else 'view' end, c.oid::regclass::text, {schema},
            rtrim(pg_get_viewdef(c.oid), ';') as "definition=",
            (select string_agg('column ' || quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod), E'\n'
                order by a.attnum) from pg_attribute a
                where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as "columns*",
            (select string_agg(quote_ident(a.attname), E'\n' order by a.attnum) from pg_attribute a
                where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as "column order^~",
            case when not c.relispopulated then '' end as "WITH NO DATA?",
            {owner} as "owner", {storage} as "options*", {toast} as "toast options*~",
            (select a.amname::text from pg_am a where a.oid = c.relam and a.amname <> 'heap') as "access method",
            (select s.spcname::text from pg_tablespace s where s.oid = c.reltablespace) as "tablespace~",
            {acl} as "grants*", {note} as "comment"
        from pg_class c left join pg_class t on t.oid = c.reltoastrelid where c.oid = any($1::oid[])"#
    )
}

/// Columns of views, where there is something to say of them that the view's definition does not.
pub(super) fn view_columns() -> String {
    let acl = super::rights("a.attacl", "c.relowner", "null::aclitem[]");
    let view = relation("a.attrelid");
    format!(
        r#"select a.attrelid, a.attnum::int4, 'column', a.attrelid::regclass::text || '.' || quote_ident(a.attname), {view},
            pg_get_expr(d.adbin, d.adrelid) as "default=", nullif(a.attstattarget, -1)::text as "statistics target~",
            {acl} as "grants*", o.description as "comment"
        from pg_attribute a join pg_class c on c.oid = a.attrelid
        left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        left join pg_description o on o.objoid = a.attrelid and o.classoid = 1259 and o.objsubid = a.attnum
        where a.attrelid = any($1::oid[]) and a.attnum > 0 and not a.attisdropped and (d.oid is not null
            or a.attacl is not null or o.objoid is not null or nullif(a.attstattarget, -1) is not null)"#
    )
}

pub(super) fn sequences() -> String {
    let (owner, acl) = (role("c.relowner"), grants("s", "c.relacl", "c.relowner"));
    let (note, schema) = (comment(Class::Sequence, "c.oid"), schema("c.relnamespace"));
    format!(
        r#"select c.oid, 0, 'sequence', c.oid::regclass::text, coalesce('column ' || b.name, {schema}),
            b.name as "owner column", format_type(s.seqtypid, null) as "type", s.seqstart::text as "start",
            s.seqincrement::text as "increment", s.seqmin::text as "minimum", s.seqmax::text as "maximum",
            s.seqcache::text as "cache", case when s.seqcycle then '' end as "CYCLE?",
            case c.relpersistence when 'u' then '' end as "UNLOGGED?",
            {owner} as "owner", {acl} as "grants*", {note} as "comment"
        from pg_class c join pg_sequence s on s.seqrelid = c.oid
        left join lateral (select a.attrelid::regclass::text || '.' || quote_ident(a.attname) as name
            from pg_depend d join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
            where d.classid = 1259 and d.objid = c.oid and d.objsubid = 0 and d.refclassid = 1259
                and d.deptype in ('a', 'i') limit 1) b on true
        where c.oid = any($1::oid[])"#
    )
}

pub(super) fn indexes() -> String {
    let (note, table) = (comment(Class::Index, "c.oid"), relation("x.indrelid"));
    format!(
        r#"select c.oid, 0, 'index', c.oid::regclass::text,
            concat_ws(E'\n', coalesce((select 'constraint ' || quote_ident(k.conname) || ' on '
                || k.conrelid::regclass::text from pg_constraint k where k.conindid = c.oid
                and k.conrelid = x.indrelid and k.contype in ('p', 'u', 'x')), {table}),
                (select 'index ' || i.inhparent::regclass::text from pg_inherits i where i.inhrelid = c.oid)),
            replace(pg_get_indexdef(c.oid), 'INDEX ' || quote_ident(c.relname) || ' ON ', 'INDEX ON ') as "definition=",
            case when not x.indisvalid then '' end as "INVALID?",
            case when x.indisreplident then '' end as "REPLICA IDENTITY?",
            case when x.indisclustered then '' end as "CLUSTER?~",
            (select i.inhparent::regclass::text from pg_inherits i where i.inhrelid = c.oid) as "partition of",
            (select s.spcname::text from pg_tablespace s where s.oid = c.reltablespace) as "tablespace~",
            (select string_agg('statistics target of column ' || a.attnum || ' ' || a.attstattarget, E'\n' order by a.attnum)
                from pg_attribute a where a.attrelid = c.oid and a.attstattarget >= 0) as "statistics*~",
            {note} as "comment"
        from pg_class c join pg_index x on x.indexrelid = c.oid where c.oid = any($1::oid[])"#
    )
}

pub(super) fn constraints(v: Version) -> String {
    let checked = v.pick(18, "k.convalidated or not k.conenforced", "k.convalidated");
    let enforced = v.pick(18, "case when not k.conenforced then '' end", "null::text");
    let (note, table) = (comment(Class::Constraint, "k.oid"), relation("k.conrelid"));
    // What may stand after the definition proper is said by attributes of its own.
    format!(
        r#"select k.oid, 0, 'constraint', quote_ident(k.conname) || ' on '
                || case when k.conrelid <> 0 then k.conrelid::regclass::text else format_type(k.contypid, null) end,
            concat_ws(E'\n', case when k.conrelid <> 0 then {table} else 'domain ' || format_type(k.contypid, null) end,
                (select 'constraint ' || quote_ident(q.conname) || ' on ' || q.conrelid::regclass::text
                    from pg_constraint q where q.oid = k.conparentid),
                case when k.contype = 'c' and not k.conislocal then (select string_agg('constraint '
                    || quote_ident(k.conname) || ' on ' || i.inhparent::regclass::text, E'\n' order by i.inhseqno)
                    from pg_inherits i where i.inhrelid = k.conrelid) end),
            regexp_replace(pg_get_constraintdef(k.oid),
                '( DEFERRABLE)?( INITIALLY DEFERRED)?( NOT VALID| NOT ENFORCED)?$', '') as "definition=",
            case when not ({checked}) then '' end as "NOT VALID?", {enforced} as "NOT ENFORCED?",
            case when k.condeferrable then '' end as "DEFERRABLE?",
            case when k.condeferred then '' end as "INITIALLY DEFERRED?",
            (select '' from pg_trigger t where t.tgconstraint = k.oid and t.tgenabled <> 'O' and t.tgisinternal limit 1)
                as "disabled trigger?",
            {note} as "comment"
        from pg_constraint k where k.oid = any($1::oid[])"#
    )
}
