//! Foreign data wrappers, servers and user mappings. Their options may hold passwords, which are never kept or shown.

use super::{Class, comment, function, grants, role};

/// Options, one line each, with the value of what may be a secret as a hash.
fn options(array: &str) -> String {
    format!(
        "(select string_agg('option ' || case when o ~* '^[^=]*(pass|secret|token|key)' then
            split_part(o, '=', 1) || ' (' || to_hex(hashtext(o)) || ')' else o end, E'\\n' order by o) from unnest({array}) o)"
    )
}

pub(super) fn wrappers() -> String {
    let (owner, acl) = (role("w.fdwowner"), grants("F", "w.fdwacl", "w.fdwowner"));
    let (note, list) = (comment(Class::Wrapper, "w.oid"), options("w.fdwoptions"));
    let [handler, validator] = ["w.fdwhandler", "w.fdwvalidator"].map(function);
    format!(
        r#"select w.oid, 0, 'foreign data wrapper', quote_ident(w.fdwname), null::text,
            {handler} as "handler", {validator} as "validator", {list} as "options*",
            {owner} as "owner", {acl} as "grants*", {note} as "comment"
        from pg_foreign_data_wrapper w where w.oid = any($1::oid[])"#
    )
}

pub(super) fn servers() -> String {
    let (owner, acl) = (role("s.srvowner"), grants("S", "s.srvacl", "s.srvowner"));
    let (note, list) = (comment(Class::Server, "s.oid"), options("s.srvoptions"));
    format!(
        r#"select s.oid, 0, 'server', quote_ident(s.srvname), 'foreign data wrapper ' || quote_ident(w.fdwname),
            quote_ident(w.fdwname) as "foreign data wrapper", s.srvtype as "type", s.srvversion as "version",
            {list} as "options*", {owner} as "owner", {acl} as "grants*", {note} as "comment"
        from pg_foreign_server s join pg_foreign_data_wrapper w on w.oid = s.srvfdw where s.oid = any($1::oid[])"#
    )
}

pub(super) fn user_mappings() -> String {
    let list = options("m.umoptions");
    format!(
        r#"select m.umid, 0, 'user mapping', 'for ' || case m.umuser when 0 then 'public' else quote_ident(m.usename) end
                || ' server ' || quote_ident(m.srvname), 'server ' || quote_ident(m.srvname), {list} as "options*"
        from pg_user_mappings m where m.umid = any($1::oid[])"#
    )
}
