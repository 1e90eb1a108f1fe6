//! What runs: functions, triggers, rules, policies, event triggers, languages.

use super::{Class, Version, comment, firing, function, grants, relation, role, schema};

pub(super) fn functions(v: Version) -> String {
    let (owner, acl) = (role("p.proowner"), grants("f", "p.proacl", "p.proowner"));
    let (note, schema) = (comment(Class::Function, "p.oid"), schema("p.pronamespace"));
    let body = v.pick(14, "coalesce(pg_get_function_sqlbody(p.oid), p.prosrc)", "p.prosrc");
    let support = function("p.prosupport");
    let aggregate: String = [
        ("state function", "aggtransfn"),
        ("final function", "aggfinalfn"),
        ("combine function", "aggcombinefn"),
        ("serial function", "aggserialfn"),
        ("deserial function", "aggdeserialfn"),
        ("moving state function", "aggmtransfn"),
        ("moving inverse function", "aggminvtransfn"),
        ("moving final function", "aggmfinalfn"),
    ]
    .iter()
    .map(|(word, column)| format!("{} as \"{word}\",\n", function(&format!("g.{column}"))))
    .collect();
    format!(
        r#"select p.oid, 0, case p.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end,
            p.oid::regprocedure::text, {schema},
            pg_get_function_arguments(p.oid) as "arguments", pg_get_function_result(p.oid) as "result",
            case when p.prokind <> 'a' then l.lanname::text end as "language",
            case when p.prokind <> 'a' then {body} end as "body#", p.probin as "library",
            case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end as "volatility",
            case when p.prosecdef then '' end as "SECURITY DEFINER?", case when p.proisstrict then '' end as "STRICT?",
            case when p.proleakproof then '' end as "LEAKPROOF?", case p.prokind when 'w' then '' end as "WINDOW?",
            case p.proparallel when 's' then 'safe' when 'r' then 'restricted' else 'unsafe' end as "parallel",
            p.procost::text as "cost", nullif(p.prorows, 0)::text as "rows", {support} as "support function",
            (select string_agg('setting ' || s, E'\n' order by s) from unnest(p.proconfig) s) as "settings*",
            (select string_agg('transform for ' || format_type(y, null), E'\n') from unnest(p.protrftypes) y)
                as "transforms*",
            {aggregate}
            case when g.aggfnoid is not null then format_type(g.aggtranstype, null) end as "state type",
            nullif(g.aggtransspace, 0)::text as "state size", g.agginitval as "initial value",
            case when g.aggmtranstype <> 0 then format_type(g.aggmtranstype, null) end as "moving state type",
            nullif(g.aggmtransspace, 0)::text as "moving state size", g.aggminitval as "moving initial value",
            case g.aggkind when 'o' then 'ordered set' when 'h' then 'hypothetical set' end as "form",
            case when g.aggsortop <> 0 then g.aggsortop::regoperator::text end as "sort operator",
            case when g.aggfinalextra then '' end as "FINALFUNC_EXTRA?",
            case when g.aggmfinalextra then '' end as "MFINALFUNC_EXTRA?",
            case g.aggfinalmodify when 's' then 'shareable' when 'w' then 'read write' end as "final modification",
            {owner} as "owner", {acl} as "grants*", {note} as "comment"
        from pg_proc p join pg_language l on l.oid = p.prolang left join pg_aggregate g on g.aggfnoid = p.oid
        where p.oid = any($1::oid[])"#
    )
}

pub(super) fn triggers(v: Version) -> String {
    let origin = v.pick(13, "t.tgparentid", "0");
    let (table, firing, note) = (relation("t.tgrelid"), firing("t.tgenabled"), comment(Class::Trigger, "t.oid"));
    format!(
        r#"select t.oid, 0, 'trigger', quote_ident(t.tgname) || ' on ' || t.tgrelid::regclass::text,
            concat_ws(E'\n', {table}, (select 'trigger ' || quote_ident(q.tgname) || ' on ' || q.tgrelid::regclass::text
                from pg_trigger q where q.oid = {origin})),
            pg_get_triggerdef(t.oid) as "definition=", {firing} as "state", {note} as "comment"
        from pg_trigger t where t.oid = any($1::oid[])"#
    )
}

pub(super) fn rules() -> String {
    let (table, firing, note) = (relation("r.ev_class"), firing("r.ev_enabled"), comment(Class::Rule, "r.oid"));
    format!(
        r#"select r.oid, 0, 'rule', quote_ident(r.rulename) || ' on ' || r.ev_class::regclass::text, {table},
            rtrim(pg_get_ruledef(r.oid), ';') as "definition=", {firing} as "state", {note} as "comment"
        from pg_rewrite r where r.oid = any($1::oid[])"#
    )
}

pub(super) fn policies() -> String {
    let (table, note) = (relation("p.polrelid"), comment(Class::Policy, "p.oid"));
    format!(
        r#"select p.oid, 0, 'policy', quote_ident(p.polname) || ' on ' || p.polrelid::regclass::text, {table},
            case when not p.polpermissive then '' end as "RESTRICTIVE?",
            case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete'
                else 'all' end as "command",
            (select string_agg('role ' || case r when 0 then 'public' else quote_ident(pg_get_userbyid(r)) end, E'\n')
                from unnest(p.polroles) r) as "roles*",
            pg_get_expr(p.polqual, p.polrelid) as "using=", pg_get_expr(p.polwithcheck, p.polrelid) as "check=",
            {note} as "comment"
        from pg_policy p where p.oid = any($1::oid[])"#
    )
}

pub(super) fn event_triggers() -> String {
    let (owner, name) = (role("e.evtowner"), function("e.evtfoid"));
    let (firing, note) = (firing("e.evtenabled"), comment(Class::EventTrigger, "e.oid"));
    format!(
        r#"select e.oid, 0, 'event trigger', quote_ident(e.evtname), null::text,
            e.evtevent::text as "event", (select string_agg('tag ' || t, E'\n') from unnest(e.evttags) t) as "tags*",
            {name} as "function", {firing} as "state", {owner} as "owner", {note} as "comment"
        from pg_event_trigger e where e.oid = any($1::oid[])"#
    )
}

pub(super) fn languages() -> String {
    let (owner, acl) = (role("l.lanowner"), grants("l", "l.lanacl", "l.lanowner"));
    let note = comment(Class::Language, "l.oid");
    let [call, inline, validator] = ["l.lanplcallfoid", "l.laninline", "l.lanvalidator"].map(function);
    format!(
        r#"select l.oid, 0, 'language', quote_ident(l.lanname), null::text,
            case when l.lanpltrusted then '' end as "TRUSTED?", {call} as "handler", {inline} as "inline handler",
            {validator} as "validator", {owner} as "owner", {acl} as "grants*", {note} as "comment"
        from pg_language l where l.oid = any($1::oid[])"#
    )
}

pub(super) fn transforms() -> String {
    let (from, to) = (function("t.trffromsql"), function("t.trftosql"));
    let note = comment(Class::Transform, "t.oid");
    format!(
        r#"select t.oid, 0, 'transform', 'for ' || format_type(t.trftype, null) || ' language ' || quote_ident(l.lanname),
            null::text, {from} as "from sql", {to} as "to sql", {note} as "comment"
        from pg_transform t join pg_language l on l.oid = t.trflang where t.oid = any($1::oid[])"#
    )
}
