//! Differences as a person reads them: short, lower case, without what is understood.

use super::object::{Field, Style};

/// How many characters of a text are shown before a difference, and from it on.
const LEAD: usize = 24;
const SHOWN: usize = 72;

/// What an object is called: `index users_email_key`, `trigger touch on users`.
pub(super) fn label(kind: &str, name: &str) -> String {
    format!("{kind} {}", bare(kind, name))
}

/// A name without what is understood: the schema `public`, and the table of a constraint that is named after it.
pub(super) fn bare(kind: &str, name: &str) -> String {
    let name = plain(name);
    match name.rsplit_once(" on ") {
        Some((own, table)) if kind == "constraint" && own.starts_with(table.rsplit('.').next().unwrap_or(table)) => {
            own.to_owned()
        }
        _ => name,
    }
}

/// A text without `public.` and with the short names of types.
fn plain(text: &str) -> String {
    const SHORT: &[(&str, &str)] = &[
        ("character varying", "varchar"),
        ("timestamp without time zone", "timestamp"),
        ("timestamp with time zone", "timestamptz"),
        ("time without time zone", "time"),
        ("time with time zone", "timetz"),
    ];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("public.") {
        let (head, tail) = (&rest[..at], &rest[at + "public.".len()..]);
        out.push_str(head);
        let within = out.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '"' | '$'));
        let name = tail.starts_with(|c: char| !c.is_whitespace() && !matches!(c, '\'' | ')' | ',' | '.'));
        if within || !name {
            out.push_str("public.");
        }
        rest = tail;
    }
    out.push_str(rest);
    for (long, short) in SHORT {
        if out.contains(long) {
            out = out.replace(long, short);
        }
    }
    // Precision stands within the long names: timestamp(3) with time zone.
    for (end, short) in [(") with time zone", "tz("), (") without time zone", "(")] {
        while let Some(at) = out.find(end) {
            let Some(open) = out[..at].rfind('(') else { break };
            let Some(word) = ["timestamp", "time"].iter().find(|w| out[..open].ends_with(**w)) else { break };
            let precision = out[open + 1..at].to_owned();
            out.replace_range(open - word.len()..at + end.len(), &format!("{word}{short}{precision})"));
        }
    }
    out
}

/// Both texts in plain words, unless these are the same.
fn both(a: &str, b: &str) -> (String, String) {
    let (pa, pb) = (plain(a), plain(b));
    if pa == pb { (a.to_owned(), b.to_owned()) } else { (pa, pb) }
}

/// What is said of an expression that is only written differently.
pub(super) fn shape(field: &Field) -> String {
    format!("{} is only written differently", field.name)
}

/// How an attribute changed; one of these for each line of a set.
pub(super) fn change(field: &Field, a: Option<&str>, b: Option<&str>) -> Vec<String> {
    let name = &field.name;
    match (field.style, a, b) {
        (Style::Flag, Some(_), _) => vec![format!("{name} is gone")],
        (Style::Flag, ..) => vec![format!("{name} is new")],
        (Style::Set, ..) => {
            let (was, is) = (a.unwrap_or_default(), b.unwrap_or_default());
            let gone = lines(was, is).into_iter().map(|l| format!("{l} is gone"));
            gone.chain(lines(is, was).into_iter().map(|l| format!("{l} is new"))).collect()
        }
        (Style::Order, ..) => {
            let moved = moved(a, b);
            let (name, s) = (name.trim_end_matches(" order"), if moved.len() > 1 { "s" } else { "" });
            vec![format!("{name}{s} {} moved", clip(&moved.join(", ")))]
        }
        (_, Some(a), Some(b)) => {
            let (a, b) = both(a, b);
            let (a, b) = (one_line(&a), one_line(&b));
            if a == b {
                return vec![format!("{name} differs in line breaks or spaces")];
            }
            let (a, b) = around(&a, &b);
            vec![format!("{name} was {a}, is {b}")]
        }
        (Style::Body, Some(_), None) => vec![format!("{name} is gone")],
        (Style::Body, None, Some(_)) => vec![format!("{name} is new")],
        (_, Some(a), None) => vec![format!("{name} {} is gone", clip(&one_line(&plain(a))))],
        (_, None, Some(b)) => vec![format!("{name} {} is new", clip(&one_line(&plain(b))))],
        (_, None, None) => Vec::new(),
    }
}

/// Whether a comment is one that tools act upon: PostGraphile reads those that begin with `@`, pg_graphql `@graphql(…)`
/// anywhere in it.
pub(super) fn is_annotation(comment: &str) -> bool {
    let tag = |text: &str| text.strip_prefix('@').is_some_and(|rest| rest.starts_with(char::is_alphabetic));
    tag(comment.trim_start()) || comment.contains("@graphql(")
}

/// The lines of the one that the other has not. Rights of one role are one line.
fn lines(these: &str, those: &str) -> Vec<String> {
    let known: Vec<&str> = those.lines().collect();
    let mut said: Vec<(String, Vec<String>, String)> = Vec::new();
    for line in these.lines().filter(|l| !known.contains(l)) {
        let parts: Vec<&str> = line.split('\t').collect();
        let [verb, right, whom] = parts[..] else {
            said.push((String::new(), vec![clip(&plain(line))], String::new()));
            continue;
        };
        let whom = plain(whom);
        match said.iter_mut().find(|(v, _, w)| v == verb && *w == whom) {
            Some((_, rights, _)) => rights.push(right.to_owned()),
            None => said.push((verb.to_owned(), vec![right.to_owned()], whom)),
        }
    }
    let line = |(verb, rights, whom): (String, Vec<String>, String)| {
        format!("{verb} {} {whom}", rights.join(", ")).trim().to_owned()
    };
    said.into_iter().map(line).collect()
}

/// What stands elsewhere in the order of what is in both: the fewest that explain it.
pub(super) fn moved<'a>(a: Option<&'a str>, b: Option<&str>) -> Vec<&'a str> {
    let (a, b): (Vec<&str>, Vec<&str>) =
        (a.unwrap_or_default().lines().collect(), b.unwrap_or_default().lines().collect());
    let places: Vec<(&str, usize)> = a.iter().filter_map(|l| Some((*l, b.iter().position(|m| m == l)?))).collect();
    // The longest run, with gaps, that is still in order stays: for each place its length and the place before it.
    let mut runs: Vec<(usize, Option<usize>)> = Vec::with_capacity(places.len());
    for (at, (_, place)) in places.iter().enumerate() {
        let before = (0..at).filter(|i| places[*i].1 < *place).max_by_key(|i| runs[*i].0);
        runs.push((before.map_or(1, |i| runs[i].0 + 1), before));
    }
    let mut stays = vec![false; places.len()];
    let mut next = (0..runs.len()).max_by_key(|i| runs[*i].0);
    while let Some(at) = next {
        stays[at] = true;
        next = runs[at].1;
    }
    places.iter().zip(stays).filter(|(_, stays)| !stays).map(|((line, _), _)| *line).collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn clip(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", text[..at].trim_end()),
        None if text.is_empty() => "''".to_owned(),
        None => text.to_owned(),
    }
}

/// Two texts from a little before their first difference on.
fn around(a: &str, b: &str) -> (String, String) {
    if a.chars().count() <= SHOWN && b.chars().count() <= SHOWN {
        return (clip(a), clip(b));
    }
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    // Begin at a word.
    let start = same.saturating_sub(LEAD);
    let start =
        a.chars().skip(start).take(same - start).position(char::is_whitespace).map_or(start, |at| start + at + 1);
    let start = if same <= LEAD { 0 } else { start };
    let from = |text: &str| {
        let rest: String = text.chars().skip(start).collect();
        format!("{}{}", if start > 0 { "…" } else { "" }, clip(&rest))
    };
    (from(a), from(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(alias: &str, a: Option<&str>, b: Option<&str>) -> String {
        change(&Field::parse(alias), a, b).join("; ")
    }

    #[test]
    fn names_lose_what_is_understood() {
        assert_eq!(label("index", "public.users_email_key"), "index users_email_key");
        assert_eq!(label("constraint", "users_email_key on public.users"), "constraint users_email_key");
        assert_eq!(label("constraint", "positive on app.users"), "constraint positive on app.users");
        assert_eq!(label("trigger", "touch on public.users"), "trigger touch on users");
        assert_eq!(label("table", "\"public.x\".republic.y"), "table \"public.x\".republic.y");
        assert_eq!(label("function", "public.f(character varying)"), "function f(varchar)");
    }

    #[test]
    fn every_style_has_its_words() {
        assert_eq!(said("type", Some("text"), Some("character varying(20)")), "type was text, is varchar(20)");
        assert_eq!(said("NOT NULL?", Some(""), None), "NOT NULL is gone");
        assert_eq!(said("default=", None, Some("now()")), "default now() is new");
        assert_eq!(said("comment", Some("x"), Some("")), "comment was x, is ''");
        assert_eq!(said("column order^~", Some("a\nb\nc\nd"), Some("a\nc\nd\ne\nb")), "column b moved");
        assert_eq!(said("column order^~", Some("a\nb\nc\nd"), Some("c\nd\na\nb")), "columns a, b moved");
        assert_eq!(said("type", Some("timestamp(3) with time zone"), None), "type timestamptz(3) is gone");
        let (a, b) = ("grant\tinsert\tto app\ngrant\tselect\tto app", "revoke\texecute\tfrom public");
        assert_eq!(
            said("grants*", Some(a), Some(b)),
            "grant insert, select to app is gone; revoke execute from public is new"
        );
    }

    #[test]
    fn long_texts_are_shown_from_their_first_difference() {
        let a = format!("{} and x > 1", "some long condition ".repeat(9));
        let said = said("definition=", Some(&a), Some(&a.replace('1', "2")));
        assert_eq!(said, "definition was …long condition and x > 1, is …long condition and x > 2");
    }
}
