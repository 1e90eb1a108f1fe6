//! Extensions, publications, default privileges, statistics objects, collations, conversions, text search.

use super::{Class, Version, comment, function, qualified, relation, rights, role, schema};

pub(super) fn statistics(v: Version) -> String {
    let (owner, note, table) = (role("s.stxowner"), comment(Class::Statistics, "s.oid"), relation("s.stxrelid"));
    let name = qualified("s.stxnamespace", "s.stxname");
    let target = v.pick(13, "nullif(s.stxstattarget, -1)::text", "null::text");
    format!(
        r#"select s.oid, 0, 'statistics', {name}, {table},
            replace(pg_get_statisticsobjdef(s.oid), 'CREATE STATISTICS ' || {name}, 'CREATE STATISTICS') as "definition=",
            {target} as "statistics target", {owner} as "owner", {note} as "comment"
        from pg_statistic_ext s where s.oid = any($1::oid[])"#
    )
}

/// What rights on the members of the extension `e` were given or taken since its script ran. Nothing else of them is told.
fn rights_on_members() -> String {
    let class = "case m.relkind when 'S' then 'sequence ' else 'table ' end || m.oid::regclass::text";
    let of = |catalog: &str, number: u32, kind: &str, prefix: &str, label: &str| {
        let (acl, owner) = (format!("m.{prefix}acl"), format!("m.{prefix}owner"));
        let held = rights(&acl, &owner, &format!("coalesce(i.initprivs, acldefault({kind}, {owner}))"));
        format!(
            "select regexp_replace({held}, E'^([a-z]+\\t[^\\t]+\\t)', E'\\\\1on ' || {label} || ' ', 'gn') as line
            from pg_depend d join {catalog} m on m.oid = d.objid
            left join pg_init_privs i on i.objoid = m.oid and i.classoid = {number} and i.objsubid = 0
            where d.refclassid = 3079 and d.refobjid = e.oid and d.deptype = 'e' and d.classid = {number}
                and {acl} is not null"
        )
    };
    let all = [
        of("pg_proc", 1255, "'f'", "pro", "'function ' || m.oid::regprocedure::text"),
        of("pg_class", 1259, "case m.relkind when 'S' then 's'::\"char\" else 'r' end", "rel", class),
        of("pg_type", 1247, "'T'", "typ", "'type ' || format_type(m.oid, null)"),
        of("pg_namespace", 2615, "'n'", "nsp", "'schema ' || quote_ident(m.nspname)"),
    ];
    format!("(select string_agg(line, E'\\n' order by line) from ({}) member)", all.join(" union all "))
}

pub(super) fn extensions() -> String {
    let (owner, note) = (role("e.extowner"), comment(Class::Extension, "e.oid"));
    let members = rights_on_members();
    format!(
        r#"select e.oid, 0, 'extension', quote_ident(e.extname), null::text, e.extversion as "version",
            (select quote_ident(n.nspname) from pg_namespace n where n.oid = e.extnamespace) as "schema",
            {owner} as "owner~", {members} as "rights on members*", {note} as "comment"
        from pg_extension e where e.oid = any($1::oid[])"#
    )
}

pub(super) fn default_privileges() -> String {
    // Those within a schema are added to the default ones, those without replace them.
    let default = "case when a.defaclnamespace <> 0 then null::aclitem[] else
        acldefault(case a.defaclobjtype when 'S' then 's' else a.defaclobjtype end, a.defaclrole) end";
    let acl = rights("a.defaclacl", "a.defaclrole", default);
    let (role, schema) = (role("a.defaclrole"), schema("a.defaclnamespace"));
    format!(
        r#"select a.oid, 0, 'default privileges', 'of ' || {role} || coalesce(' in ' || {schema}, '') || ' for ' ||
                case a.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
                when 'T' then 'types' when 'n' then 'schemas' when 'L' then 'large objects' else a.defaclobjtype::text end,
            {schema}, {acl} as "grants*"
        from pg_default_acl a where a.oid = any($1::oid[])"#
    )
}

pub(super) fn publications(v: Version) -> String {
    let (owner, note) = (role("p.pubowner"), comment(Class::Publication, "p.oid"));
    let detail = v.pick(
        15,
        "coalesce(' (' || (select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute a
            where a.attrelid = r.prrelid and a.attnum = any(r.prattrs)) || ')', '')
            || coalesce(' where ' || pg_get_expr(r.prqual, r.prrelid), '')",
        "''",
    );
    let schemas = v.pick(
        15,
        "(select string_agg('schema ' || quote_ident(n.nspname), E'\\n') from pg_publication_namespace r
            join pg_namespace n on n.oid = r.pnnspid where r.pnpubid = p.oid)",
        "null::text",
    );
    let root = v.pick(13, "p.pubviaroot", "false");
    let generated = v.pick(18, "case p.pubgencols when 's' then 'stored' end", "null::text");
    format!(
        r#"select p.oid, 0, 'publication', quote_ident(p.pubname), null::text,
            case when p.puballtables then '' end as "ALL TABLES?",
            (select string_agg('table ' || r.prrelid::regclass::text || {detail}, E'\n') from pg_publication_rel r
                where r.prpubid = p.oid) as "tables*", {schemas} as "schemas*",
            concat_ws(', ', case when p.pubinsert then 'insert' end, case when p.pubupdate then 'update' end,
                case when p.pubdelete then 'delete' end, case when p.pubtruncate then 'truncate' end) as "publish",
            case when {root} then '' end as "publish_via_partition_root?", {generated} as "generated columns",
            {owner} as "owner", {note} as "comment"
        from pg_publication p where p.oid = any($1::oid[])"#
    )
}

pub(super) fn collations(v: Version) -> String {
    let (owner, note, schema) = (role("c.collowner"), comment(Class::Collation, "c.oid"), schema("c.collnamespace"));
    let name = qualified("c.collnamespace", "c.collname");
    let locale = v.pick(17, "c.colllocale", v.pick(15, "c.colliculocale", "null::text"));
    let rules = v.pick(16, "c.collicurules", "null::text");
    format!(
        r#"select c.oid, 0, 'collation', {name}, {schema},
            case c.collprovider when 'i' then 'icu' when 'c' then 'libc' when 'b' then 'builtin' else 'default' end
                as "provider",
            c.collcollate::text as "LC_COLLATE", c.collctype::text as "LC_CTYPE", {locale} as "locale", {rules} as "rules",
            case when not c.collisdeterministic then '' end as "NONDETERMINISTIC?",
            {owner} as "owner", {note} as "comment"
        from pg_collation c where c.oid = any($1::oid[])"#
    )
}

pub(super) fn conversions() -> String {
    let (owner, note, schema) = (role("c.conowner"), comment(Class::Conversion, "c.oid"), schema("c.connamespace"));
    let (name, code) = (qualified("c.connamespace", "c.conname"), function("c.conproc"));
    format!(
        r#"select c.oid, 0, 'conversion', {name}, {schema},
            pg_encoding_to_char(c.conforencoding) || ' to ' || pg_encoding_to_char(c.contoencoding) as "encodings",
            {code} as "function", case when c.condefault then '' end as "DEFAULT?",
            {owner} as "owner", {note} as "comment"
        from pg_conversion c where c.oid = any($1::oid[])"#
    )
}

pub(super) fn search_parsers() -> String {
    let (note, schema) = (comment(Class::SearchParser, "p.oid"), schema("p.prsnamespace"));
    let name = qualified("p.prsnamespace", "p.prsname");
    let [start, token, end, lextype] = ["p.prsstart", "p.prstoken", "p.prsend", "p.prslextype"].map(function);
    format!(
        r#"select p.oid, 0, 'text search parser', {name}, {schema}, {start} as "start function",
            {token} as "token function", {end} as "end function", {lextype} as "token type function", {note} as "comment"
        from pg_ts_parser p where p.oid = any($1::oid[])"#
    )
}

pub(super) fn search_templates() -> String {
    let (note, schema) = (comment(Class::SearchTemplate, "t.oid"), schema("t.tmplnamespace"));
    let name = qualified("t.tmplnamespace", "t.tmplname");
    let [init, lexize] = ["t.tmplinit", "t.tmpllexize"].map(function);
    format!(
        r#"select t.oid, 0, 'text search template', {name}, {schema}, {init} as "init function",
            {lexize} as "lexize function", {note} as "comment"
        from pg_ts_template t where t.oid = any($1::oid[])"#
    )
}

pub(super) fn search_dictionaries() -> String {
    let (owner, note, schema) =
        (role("d.dictowner"), comment(Class::SearchDictionary, "d.oid"), schema("d.dictnamespace"));
    let name = qualified("d.dictnamespace", "d.dictname");
    let template = qualified("t.tmplnamespace", "t.tmplname");
    format!(
        r#"select d.oid, 0, 'text search dictionary', {name}, {schema}, {template} as "template",
            d.dictinitoption as "options", {owner} as "owner", {note} as "comment"
        from pg_ts_dict d join pg_ts_template t on t.oid = d.dicttemplate where d.oid = any($1::oid[])"#
    )
}

pub(super) fn search_configs() -> String {
    let (owner, note, schema) = (role("c.cfgowner"), comment(Class::SearchConfig, "c.oid"), schema("c.cfgnamespace"));
    let (name, parser) = (qualified("c.cfgnamespace", "c.cfgname"), qualified("s.prsnamespace", "s.prsname"));
    format!(
        r#"select c.oid, 0, 'text search configuration', {name}, {schema}, {parser} as "parser",
            (select string_agg('mapping of ' || m.word || ' to ' || m.names, E'\n') from (
                select (select t.alias from ts_token_type(c.cfgparser) t where t.tokid = x.maptokentype) as word,
                    string_agg(x.mapdict::regdictionary::text, ', ' order by x.mapseqno) as names
                from pg_ts_config_map x where x.mapcfg = c.oid group by x.maptokentype) m) as "mappings*",
            {owner} as "owner", {note} as "comment"
        from pg_ts_config c join pg_ts_parser s on s.oid = c.cfgparser where c.oid = any($1::oid[])"#
    )
}
