//! Types, and what makes them work: casts, operators, operator classes and families, access methods.

use super::{Class, Version, collation, comment, function, grants, qualified, role, schema};

pub(super) fn composites() -> String {
    let (owner, acl) = (role("t.typowner"), grants("T", "t.typacl", "t.typowner"));
    let (note, schema) = (comment(Class::Type, "t.oid"), schema("c.relnamespace"));
    format!(
        r#"select c.oid, 0, 'type', format_type(t.oid, null), {schema},
            (select string_agg('attribute ' || quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)
                || coalesce(' collate ' || (select quote_ident(o.collname) from pg_collation o, pg_type y
                    where o.oid = a.attcollation and y.oid = a.atttypid and y.typcollation <> o.oid), ''), E'\n'
                order by a.attnum) from pg_attribute a
                where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as "attributes*",
            (select string_agg(quote_ident(a.attname), E'\n' order by a.attnum) from pg_attribute a
                where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as "attribute order^",
            {owner} as "owner", {acl} as "grants*", {note} as "comment"
        from pg_class c join pg_type t on t.oid = c.reltype where c.oid = any($1::oid[])"#
    )
}

/// Attributes of composite types, where there is something to say of them that the type's definition does not.
pub(super) fn composite_attributes() -> String {
    r#"select a.attrelid, a.attnum::int4, 'attribute', format_type(c.reltype, null) || '.' || quote_ident(a.attname),
            'type ' || format_type(c.reltype, null), o.description as "comment"
        from pg_attribute a join pg_class c on c.oid = a.attrelid
        join pg_description o on o.objoid = a.attrelid and o.classoid = 1259 and o.objsubid = a.attnum
        where a.attrelid = any($1::oid[]) and a.attnum > 0 and not a.attisdropped"#
        .to_owned()
}

pub(super) fn types(v: Version) -> String {
    let (owner, acl) = (role("t.typowner"), grants("T", "t.typacl", "t.typowner"));
    let (note, schema) = (comment(Class::Type, "t.oid"), schema("t.typnamespace"));
    let own = collation("case when t.typtype = 'd' then nullif(t.typcollation, b.typcollation) end");
    let range = collation("nullif(r.rngcollation, 0)");
    let class = format!(
        "(select {} from pg_opclass p where p.oid = r.rngsubopc and not p.opcdefault)",
        qualified("p.opcnamespace", "p.opcname")
    );
    let support: String = [
        ("input", "typinput"),
        ("output", "typoutput"),
        ("receive", "typreceive"),
        ("send", "typsend"),
        ("analyze", "typanalyze"),
        ("modifier input", "typmodin"),
        ("modifier output", "typmodout"),
    ]
    .iter()
    .map(|(word, column)| {
        let name = function(&format!("t.{column}"));
        format!("case when t.typtype = 'b' then {name} end as \"{word} function\",\n")
    })
    .collect();
    let many = v.pick(14, "case when r.rngtypid is not null then format_type(r.rngmultitypid, null) end", "null::text");
    let (canonical, diff) = (function("r.rngcanonical"), function("r.rngsubdiff"));
    format!(
        r#"select t.oid, 0, case t.typtype when 'd' then 'domain' else 'type' end, format_type(t.oid, null), {schema},
            case t.typtype when 'e' then 'enum' when 'r' then 'range' when 'b' then 'base' end as "form",
            (select string_agg('label ' || quote_literal(e.enumlabel), E'\n' order by e.enumsortorder) from pg_enum e
                where e.enumtypid = t.oid) as "labels*",
            (select string_agg(quote_literal(e.enumlabel), E'\n' order by e.enumsortorder) from pg_enum e
                where e.enumtypid = t.oid) as "label order^",
            case t.typtype when 'd' then format_type(t.typbasetype, t.typtypmod) end as "base type",
            {own} as "collation",
            case when t.typtype = 'd' and t.typnotnull then '' end as "NOT NULL?",
            case t.typtype when 'd' then coalesce(pg_get_expr(t.typdefaultbin, 0), t.typdefault) else t.typdefault end
                as "default=",
            case when r.rngtypid is not null then format_type(r.rngsubtype, null) end as "subtype",
            {many} as "multirange", {range} as "subtype collation", {class} as "subtype operator class", {canonical} as "canonical function",
            {diff} as "subtype difference function",
            {support}
            case t.typtype when 'b' then format('%s bytes%s, %s aligned, %s, category %s%s, delimiter %s', t.typlen,
                case when t.typbyval then ' by value' else '' end, t.typalign, t.typstorage, t.typcategory,
                case when t.typispreferred then ' preferred' else '' end, t.typdelim) end as "layout",
            {owner} as "owner", {acl} as "grants*", {note} as "comment"
        from pg_type t left join pg_type b on b.oid = t.typbasetype left join pg_range r on r.rngtypid = t.oid
        where t.oid = any($1::oid[])"#
    )
}

pub(super) fn casts() -> String {
    let (name, note) = (function("k.castfunc"), comment(Class::Cast, "k.oid"));
    format!(
        r#"select k.oid, 0, 'cast', format('(%s as %s)', format_type(k.castsource, null), format_type(k.casttarget, null)),
            null::text,
            case k.castmethod when 'i' then 'input and output' when 'b' then 'binary' else 'function' end as "method",
            {name} as "function",
            case k.castcontext when 'i' then 'implicit' when 'a' then 'assignment' else 'explicit' end as "context",
            {note} as "comment"
        from pg_cast k where k.oid = any($1::oid[])"#
    )
}

pub(super) fn operators() -> String {
    let (owner, note, schema) = (role("o.oprowner"), comment(Class::Operator, "o.oid"), schema("o.oprnamespace"));
    let [code, rest, join] = ["o.oprcode", "o.oprrest", "o.oprjoin"].map(function);
    format!(
        r#"select o.oid, 0, 'operator', o.oid::regoperator::text, {schema},
            {code} as "function", {rest} as "restriction estimator", {join} as "join estimator",
            case when o.oprcom <> 0 then o.oprcom::regoperator::text end as "commutator",
            case when o.oprnegate <> 0 then o.oprnegate::regoperator::text end as "negator",
            case when o.oprcanmerge then '' end as "MERGES?", case when o.oprcanhash then '' end as "HASHES?",
            {owner} as "owner", {note} as "comment"
        from pg_operator o where o.oid = any($1::oid[])"#
    )
}

pub(super) fn operator_classes() -> String {
    let (owner, note, schema) = (role("o.opcowner"), comment(Class::Opclass, "o.oid"), schema("o.opcnamespace"));
    let name = qualified("o.opcnamespace", "o.opcname");
    let family = qualified("f.opfnamespace", "f.opfname");
    format!(
        r#"select o.oid, 0, 'operator class', {name} || ' using ' || m.amname, {schema},
            format_type(o.opcintype, null) as "type", case when o.opcdefault then '' end as "DEFAULT?",
            case when o.opckeytype <> 0 then format_type(o.opckeytype, null) end as "storage",
            {family} as "family", {owner} as "owner", {note} as "comment"
        from pg_opclass o join pg_am m on m.oid = o.opcmethod join pg_opfamily f on f.oid = o.opcfamily
        where o.oid = any($1::oid[])"#
    )
}

pub(super) fn operator_families() -> String {
    let (owner, note, schema) = (role("o.opfowner"), comment(Class::Opfamily, "o.oid"), schema("o.opfnamespace"));
    let name = qualified("o.opfnamespace", "o.opfname");
    format!(
        r#"select o.oid, 0, 'operator family', {name} || ' using ' || m.amname, {schema},
            (select string_agg('operator ' || a.amopstrategy || ' ' || a.amopopr::regoperator::text
                || case a.amoppurpose when 'o' then ' for order by ' || (select quote_ident(s.opfname)
                    from pg_opfamily s where s.oid = a.amopsortfamily) else '' end, E'\n') from pg_amop a
                where a.amopfamily = o.oid) as "operators*",
            (select string_agg('function ' || a.amprocnum || ' ' || a.amproc::oid::regprocedure::text, E'\n')
                from pg_amproc a where a.amprocfamily = o.oid) as "functions*",
            {owner} as "owner", {note} as "comment"
        from pg_opfamily o join pg_am m on m.oid = o.opfmethod where o.oid = any($1::oid[])"#
    )
}

pub(super) fn access_methods() -> String {
    let (name, note) = (function("m.amhandler"), comment(Class::AccessMethod, "m.oid"));
    format!(
        r#"select m.oid, 0, 'access method', quote_ident(m.amname), null::text,
            case m.amtype when 't' then 'table' else 'index' end as "form", {name} as "handler", {note} as "comment"
        from pg_am m where m.oid = any($1::oid[])"#
    )
}
