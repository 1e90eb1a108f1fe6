//! The normal form of an SQL text as PostgreSQL deparses it: the same for two texts that differ only in how they are
//! written down. Nested ANDs and ORs are flat, doubled parentheses single, casts of text constants to text left out.

use std::iter::Peekable;
use std::str::Chars;
use std::vec::IntoIter;

/// Words after which a parenthesis is no call.
const KEYWORDS: &[&str] =
    &["AND", "OR", "NOT", "WHEN", "THEN", "ELSE", "CASE", "CHECK", "WHERE", "ON", "USING", "SELECT"];

/// Words that make a list of operands something else than operands of the one operator.
const BREAKS: &[&str] = &[
    "BETWEEN", "CASE", "WHEN", "THEN", "ELSE", "END", "SELECT", "FROM", "WHERE", "ON", "HAVING", "CHECK", "USING", ",",
];

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Token(String),
    Group(char, Vec<Node>),
}

/// The normal form.
pub(super) fn normal(text: &str) -> String {
    written(&simplify(group(&mut tokens(text).into_iter().peekable(), None)))
}

/// Whether two queries differ only in the order of what they select.
pub(super) fn same_items(a: &str, b: &str) -> bool {
    let parts = |text: &str| {
        let mut nodes = simplify(group(&mut tokens(text).into_iter().peekable(), None));
        let from = nodes.iter().position(|n| is(Some(n), "FROM")).unwrap_or(nodes.len());
        let rest = nodes.split_off(from);
        let start = nodes.iter().take_while(|n| is(Some(n), "SELECT")).count();
        let mut items: Vec<String> = nodes[start..].split(|n| is(Some(n), ",")).map(written).collect();
        items.sort();
        (items, written(&rest))
    };
    parts(a) == parts(b)
}

fn written(nodes: &[Node]) -> String {
    let mut out = String::new();
    write(nodes, &mut out);
    out
}

/// Whether two bodies of functions differ in spaces, line breaks and comments only, as far as that can be told.
pub(super) fn same_code(a: &str, b: &str) -> bool {
    // In dollar quotes spaces are data.
    !a.contains('$') && !b.contains('$') && tokens(a) == tokens(b)
}

fn write(nodes: &[Node], out: &mut String) {
    for node in nodes {
        match node {
            Node::Token(token) => {
                out.push(' ');
                out.push_str(token);
            }
            Node::Group(open, inner) => {
                out.push(' ');
                out.push(*open);
                write(inner, out);
                out.push(closing(*open));
            }
        }
    }
}

fn closing(open: char) -> char {
    if open == '[' { ']' } else { ')' }
}

fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(first) = chars.next() {
        let mut token = String::from(first);
        match first {
            c if c.is_whitespace() => continue,
            '-' if chars.peek() == Some(&'-') => {
                while chars.next_if(|c| *c != '\n').is_some() {}
                continue;
            }
            '/' if chars.peek() == Some(&'*') => {
                comment(&mut chars);
                continue;
            }
            '(' | ')' | '[' | ']' | ',' | ';' => {}
            '\'' | '"' => {
                // A doubled quote ends one string and begins the next; that reads the same.
                while let Some(c) = chars.next() {
                    token.push(c);
                    if c == '\\' && tokens.last().is_some_and(|t| t == "E") {
                        token.extend(chars.next());
                    } else if c == first {
                        if chars.peek() != Some(&first) {
                            break;
                        }
                        token.extend(chars.next());
                    }
                }
            }
            c if c.is_alphanumeric() || c == '_' || c == '$' => {
                while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '.')) {
                    token.push(c);
                }
            }
            _ => {
                let operator = |c: &char| !c.is_alphanumeric() && !c.is_whitespace() && !"()[],;'\"_$".contains(*c);
                while let Some(c) = chars.next_if(operator) {
                    token.push(c);
                }
            }
        }
        tokens.push(token);
    }
    tokens
}

/// Skips a comment, and those in it, from behind its first character.
fn comment(chars: &mut Peekable<Chars<'_>>) {
    let (mut depth, mut last) = (0_usize, '/');
    for c in chars.by_ref() {
        match (last, c) {
            ('/', '*') => (depth, last) = (depth + 1, ' '),
            ('*', '/') => (depth, last) = (depth.saturating_sub(1), ' '),
            _ => last = c,
        }
        if depth == 0 {
            break;
        }
    }
}

fn group(tokens: &mut Peekable<IntoIter<String>>, end: Option<&str>) -> Vec<Node> {
    let mut nodes = Vec::new();
    while let Some(token) = tokens.next() {
        match token.as_str() {
            "(" => nodes.push(Node::Group('(', group(tokens, Some(")")))),
            "[" => nodes.push(Node::Group('[', group(tokens, Some("]")))),
            t if Some(t) == end => break,
            _ => nodes.push(Node::Token(token)),
        }
    }
    nodes
}

fn is(node: Option<&Node>, word: &str) -> bool {
    matches!(node, Some(Node::Token(t)) if t == word)
}

/// Whether a parenthesis after this is a call's or a type's, not one that only groups.
fn calls(before: Option<&Node>) -> bool {
    match before {
        Some(Node::Token(t)) => {
            t.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '"') && !KEYWORDS.contains(&t.as_str())
        }
        _ => false,
    }
}

fn simplify(nodes: Vec<Node>) -> Vec<Node> {
    let inner = |node| match node {
        Node::Group(open, nodes) => Node::Group(open, simplify(nodes)),
        token => token,
    };
    let mut nodes: Vec<Node> = nodes.into_iter().map(inner).collect();
    text_casts(&mut nodes);
    // ((x)) is (x), but ((x, y)) is a row.
    if let [Node::Group('(', only)] = nodes.as_slice()
        && !only.iter().any(|n| is(Some(n), ","))
    {
        nodes = only.clone();
    }
    for operator in ["AND", "OR"] {
        if !operands(&nodes, operator) {
            continue;
        }
        nodes = nodes.into_iter().fold(Vec::new(), |mut flat, node| {
            match node {
                Node::Group('(', inner) if !calls(flat.last()) && operands(&inner, operator) => flat.extend(inner),
                node => flat.push(node),
            }
            flat
        });
    }
    nodes
}

/// Whether these are operands of that operator and nothing else.
fn operands(nodes: &[Node], operator: &str) -> bool {
    let other = if operator == "AND" { "OR" } else { "AND" };
    let breaks = |t: &str| t == other || BREAKS.contains(&t) || operator == "OR" && t == "NOT";
    nodes.iter().any(|n| is(Some(n), operator)) && !nodes.iter().any(|n| matches!(n, Node::Token(t) if breaks(t)))
}

/// Leaves out `::text` and `::character varying` after text constants and arrays of them.
fn text_casts(nodes: &mut Vec<Node>) {
    let mut at = 0;
    while at < nodes.len() {
        let array = is(nodes.get(at), "ARRAY") && matches!(nodes.get(at + 1), Some(Node::Group('[', _)));
        let end = at + 1 + usize::from(array);
        let before = at.checked_sub(1).and_then(|b| nodes.get(b)).cloned();
        let value = match &nodes[at] {
            Node::Group('(', _) if calls(before.as_ref()) => None,
            _ => constant(&nodes[at..end]),
        };
        if let Some((value, list)) = value {
            let words = match (nodes.get(end + 1), nodes.get(end + 2)) {
                _ if !is(nodes.get(end), "::") => 0,
                (Some(Node::Token(t)), _) if t == "text" => 1,
                (Some(Node::Token(t)), Some(Node::Token(u))) if t == "character" && u == "varying" => 2,
                _ => 0,
            };
            let after = end + 1 + words;
            let (length, brackets) = match nodes.get(after) {
                Some(Node::Group('(', _)) => (true, false),
                Some(Node::Group('[', inner)) => (false, inner.is_empty()),
                _ => (false, false),
            };
            if words > 0 && !length && brackets == list {
                let count = value.len();
                nodes.splice(at..after + usize::from(brackets), value);
                at += count - 1;
                // There may be a second cast, as in ('a'::character varying)::text.
                if is(nodes.get(at + 1), "::") {
                    at = at + 1 - count;
                    continue;
                }
            }
        }
        at += 1;
    }
}

/// A text constant or an array of some, without parentheses around it, and whether it is an array.
fn constant(nodes: &[Node]) -> Option<(Vec<Node>, bool)> {
    match nodes {
        [Node::Token(t)] if t.starts_with('\'') => Some((nodes.to_vec(), false)),
        [Node::Token(t), Node::Group('[', list)] if t == "ARRAY" => {
            let text = |n: &Node| matches!(n, Node::Token(t) if t.starts_with('\'') || t == ",");
            list.iter().all(text).then(|| (nodes.to_vec(), true))
        }
        [Node::Group('(', inner)] => constant(inner),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{normal, same_code, same_items};

    /// Pairs that mean the same.
    const SAME: &[(&str, &str)] = &[
        ("CHECK (((a > 0) AND (b > 0) AND (c > 0)))", "CHECK ((((a > 0) AND (b > 0)) AND (c > 0)))"),
        ("((a) OR ((b) OR (c)))", "(((a) OR (b)) OR (c))"),
        ("CHECK ((a > 0))", "CHECK (a > 0)"),
        ("'x'::character varying", "'x'::text"),
        ("(('x'::character varying)::text)", "'x'::text"),
        (
            "((s)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))",
            "((s)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text]))",
        ),
        ("SELECT a\n   FROM t", "SELECT a FROM t"),
    ];

    /// Pairs that do not.
    const OTHER: &[(&str, &str)] = &[
        ("((a OR b) AND c)", "(a OR (b AND c))"),
        ("f((a, b))", "f(a, b)"),
        ("('x'::character varying(3))", "'x'::text"),
        ("('5'::integer)", "'5'::text"),
        ("'a AND b'", "'a  AND b'"),
        ("((a) - ((b) - (c)))", "(((a) - (b)) - (c))"),
        ("lower((a)::text)", "lower(a)"),
        ("(a BETWEEN 1 AND 2)", "(a BETWEEN 1 AND 3)"),
        ("(NOT (a AND b))", "((NOT a) AND b)"),
        ("'it''s'", "'its'"),
    ];

    #[test]
    fn what_is_only_written_differently_has_the_same_form() {
        for (a, b) in SAME {
            assert_eq!(normal(a), normal(b), "{a} and {b}");
        }
    }

    #[test]
    fn code_is_the_same_without_its_comments_and_line_breaks_but_not_its_strings() {
        let code = "begin\n  return 'a  b'; -- why\nend";
        assert!(same_code(code, "begin /* a /* nested */ one */ return 'a  b';\nend\n"));
        assert!(!same_code(code, "begin return 'a b'; end"));
        assert!(!same_code(code, "begin -- return 'a  b'; end"));
        assert!(!same_code("select $$a  b$$", "select $$a b$$"));
    }

    #[test]
    fn the_order_of_what_a_query_selects_is_not_the_query() {
        let query = "SELECT t.a, f(t.a, t.b) AS b FROM t WHERE (t.a, t.b) > (1, 2)";
        assert!(same_items(query, "SELECT f(t.a, t.b) AS b, t.a FROM t WHERE (t.a, t.b) > (1, 2)"));
        assert!(!same_items(query, "SELECT t.a, f(t.b, t.a) AS b FROM t WHERE (t.a, t.b) > (1, 2)"));
        assert!(!same_items(query, "SELECT t.a, f(t.a, t.b) AS b FROM t WHERE (t.a, t.b) > (2, 1)"));
        assert!(!same_items("SELECT t.a FROM t", "SELECT t.a, t.a FROM t"));
    }

    #[test]
    fn what_means_something_else_has_another_form() {
        for (a, b) in OTHER {
            assert_ne!(normal(a), normal(b), "{a} and {b}");
        }
    }
}
