//! Values for columns, as SQL literals: typical ones, those at the edges, and those that a text mentions.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::schema::Column;

/// How many literals of a text are kept.
const MENTIONED: usize = 40;

/// Writes a string as a literal.
pub(super) fn quote(text: &str) -> String {
    if text.contains('\\') {
        return format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    }
    format!("'{}'", text.replace('\'', "''"))
}

/// Strings and numbers that a text of SQL mentions, in order, without repetition.
pub(super) fn mentioned(sql: &str) -> Vec<String> {
    static LITERAL: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"'((?:[^']|''){0,60})'|(?:^|[^\w.$])(-?\d{1,18}(?:\.\d+)?)\b").ok());
    let mut found: Vec<String> = Vec::new();
    let Some(pattern) = LITERAL.as_ref() else { return found };
    for caught in pattern.captures_iter(sql) {
        let text = match (caught.get(1), caught.get(2)) {
            (Some(text), _) => text.as_str().replace("''", "'"),
            (_, Some(number)) => number.as_str().to_owned(),
            _ => continue,
        };
        if !found.contains(&text) && found.len() < MENTIONED {
            found.push(text);
        }
    }
    found
}

/// The words of a text, in lower case, whatever they are in it: also those in strings.
pub(super) fn words(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$');
    words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// What kind of values a type has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// Whole numbers, with the largest.
    Integer(i64),
    /// Other numbers.
    Number,
    /// Text of any kind.
    Text,
    /// True or false.
    Bool,
    /// Dates and times of day with a date.
    Date,
    /// An enum.
    Enum,
    /// A uuid.
    Uuid,
    /// JSON.
    Json,
    /// Any array.
    Array,
    /// A range.
    Range,
    /// Anything else.
    Other,
}

/// What kind of values a column has.
pub(super) fn sort(column: &Column) -> Sort {
    match (column.kind.as_str(), column.category.as_str()) {
        ("int2", _) => Sort::Integer(i64::from(i16::MAX)),
        ("int4", _) => Sort::Integer(i64::from(i32::MAX)),
        ("int8", _) => Sort::Integer(i64::MAX),
        ("numeric" | "float4" | "float8" | "money", _) => Sort::Number,
        ("bool", _) => Sort::Bool,
        ("uuid", _) => Sort::Uuid,
        ("json" | "jsonb", _) => Sort::Json,
        (_, "E") => Sort::Enum,
        (_, "A") => Sort::Array,
        (_, "R") => Sort::Range,
        ("date" | "timestamp" | "timestamptz", _) => Sort::Date,
        ("citext", _) | (_, "S") => Sort::Text,
        _ => Sort::Other,
    }
}

/// The characters that fit, where there is a limit.
pub(super) fn width(column: &Column) -> Option<usize> {
    (matches!(column.kind.as_str(), "varchar" | "bpchar") && column.modifier >= 4)
        .then(|| usize::try_from(column.modifier - 4).unwrap_or(0))
}

/// A typical value. Values for different `n` differ wherever the type has enough of them.
pub(super) fn typical(column: &Column, n: usize) -> String {
    let day = n % 28 + 1;
    match sort(column) {
        Sort::Integer(_) => (n + 1).to_string(),
        Sort::Number => match precision(column) {
            Some((digits, scale)) if digits == scale => format!("0.{}", n % 9 + 1),
            Some(_) => ((n % 9) + 1).to_string(),
            None => (n + 1).to_string(),
        },
        Sort::Bool => (if n.is_multiple_of(2) { "true" } else { "false" }).to_owned(),
        Sort::Enum => match column.labels.get(n % column.labels.len().max(1)) {
            Some(label) => quote(label),
            None => "NULL".to_owned(),
        },
        // Each begins with other digits: what is cut off one that a generator made is as good as alone.
        Sort::Uuid => quote(&format!("{n:08}-0000-4000-8000-{:012}", n + 1)),
        Sort::Json => "'{}'".to_owned(),
        Sort::Array => "'{}'".to_owned(),
        Sort::Date => match column.kind.as_str() {
            "date" => format!("'2024-01-{day:02}'"),
            "timestamp" => format!("'2024-01-{day:02} 12:00:00'"),
            _ => format!("'2024-01-{day:02} 12:00:00+00'"),
        },
        Sort::Range => match column.kind.as_str() {
            "int4range" | "int8range" | "numrange" => format!("'[{},{})'", n * 10 + 1, n * 10 + 5),
            "daterange" => format!("'[2024-{:02}-01,2024-{:02}-05)'", n % 12 + 1, n % 12 + 1),
            "tsrange" | "tstzrange" => format!("'[2024-{:02}-01,2024-{:02}-05)'", n % 12 + 1, n % 12 + 1),
            _ => "'empty'".to_owned(),
        },
        Sort::Text => {
            const NAMES: &[&str] = &["ann", "bob", "cyd", "dan", "eve"];
            let name = NAMES.get(n).map_or_else(|| format!("x{n}"), |name| (*name).to_owned());
            match width(column) {
                Some(width) if width < name.len() => {
                    let letter = char::from(b'a' + u8::try_from(n % 26).unwrap_or(0));
                    quote(&letter.to_string().repeat(width.min(1)))
                }
                _ => quote(&name),
            }
        }
        Sort::Other if !column.fields.is_empty() => composite(&column.fields, n),
        Sort::Other => match column.kind.as_str() {
            "time" | "timetz" => format!("'{:02}:00:00'", n % 24),
            "interval" => format!("'{} days'", n + 1),
            "bytea" => format!("'\\x{:02x}'", n % 256),
            "inet" | "cidr" => format!("'10.0.0.{}'", n % 255 + 1),
            "macaddr" => format!("'08:00:2b:01:02:{:02x}'", n % 256),
            "macaddr8" => format!("'08:00:2b:01:02:03:04:{:02x}'", n % 256),
            "tsvector" | "tsquery" => quote(&format!("w{n}")),
            "xml" => "'<a/>'".to_owned(),
            "point" => format!("'({n},0)'"),
            "box" | "lseg" | "path" => format!("'(({n},0),(1,1))'"),
            "polygon" => format!("'(({n},0),(1,1),(0,1))'"),
            "circle" => format!("'<({n},0),1>'"),
            "line" => format!("'{{1,1,{n}}}'"),
            "ltree" => quote(&format!("top.n{n}")),
            "hstore" => "'a=>1'".to_owned(),
            "bit" => format!("B'{}'", "0".repeat(usize::try_from(column.modifier.max(1)).unwrap_or(1))),
            "varbit" => "B'1'".to_owned(),
            "oid" | "regclass" | "xid" => (n + 1).to_string(),
            "regconfig" | "regdictionary" => "'simple'".to_owned(),
            "regtype" => "'text'".to_owned(),
            "regnamespace" => "'pg_catalog'".to_owned(),
            "regrole" => "'pg_monitor'".to_owned(),
            "regcollation" => "'\"C\"'".to_owned(),
            "regproc" => "'pg_typeof'".to_owned(),
            "regprocedure" => "'pg_typeof(\"any\")'".to_owned(),
            "pg_lsn" => format!("'0/{:X}'", n + 1),
            "semver" => format!("'1.0.{n}'"),
            _ => "''".to_owned(),
        },
    }
}

/// A value of a composite type.
fn composite(fields: &[String], n: usize) -> String {
    let one = |field: &String| match field.as_str() {
        "N" => (n + 1).to_string(),
        "B" => "true".to_owned(),
        "D" => "2024-01-01".to_owned(),
        "A" | "json" | "jsonb" => "{}".to_owned(),
        "uuid" => format!("00000000-0000-4000-8000-{:012}", n + 1),
        "S" => format!("a{n}"),
        label if label.starts_with('E') => format!("\"{}\"", label[1..].replace(['"', '\\'], "")),
        // NULL.
        _ => String::new(),
    };
    quote(&format!("({})", fields.iter().map(one).collect::<Vec<_>>().join(",")))
}

/// A value for a key: out of the way of what sequences and seeds give.
pub(super) fn key(column: &Column, n: usize) -> String {
    match sort(column) {
        Sort::Integer(_) => (1001 + n).to_string(),
        _ => typical(column, n),
    }
}

/// A value that no row has that was made here.
pub(super) fn orphan(column: &Column) -> String {
    match sort(column) {
        Sort::Integer(_) => "999".to_owned(),
        Sort::Number if precision(column).is_none_or(|(digits, scale)| digits >= scale + 3) => "999".to_owned(),
        Sort::Text if width(column).is_none_or(|width| width >= 6) => "'system'".to_owned(),
        Sort::Text => "'z'".to_owned(),
        Sort::Uuid => "'00000000-0000-4000-8000-999999999999'".to_owned(),
        _ => typical(column, 8),
    }
}

/// Digits in all and after the point.
pub(super) fn precision(column: &Column) -> Option<(i32, i32)> {
    (column.kind == "numeric" && column.modifier >= 4)
        .then(|| ((column.modifier - 4) >> 16 & 0xffff, (column.modifier - 4) & 0x7ff))
}

/// What a literal of a text is as a value of the column; none when it cannot be one.
pub(super) fn fitting(column: &Column, text: &str) -> Option<String> {
    match sort(column) {
        Sort::Integer(max) => {
            let number: i64 = text.parse().ok()?;
            (number.abs() <= max).then(|| number.to_string())
        }
        Sort::Number => text.parse::<f64>().is_ok_and(f64::is_finite).then(|| text.to_owned()),
        Sort::Text => width(column).is_none_or(|width| text.chars().count() <= width).then(|| quote(text)),
        Sort::Enum => column.labels.iter().any(|label| label == text).then(|| quote(text)),
        Sort::Uuid => {
            let hex = text.chars().filter(char::is_ascii_hexdigit).count() == 32;
            (hex && text.len() == 36).then(|| quote(text))
        }
        Sort::Bool => matches!(text, "true" | "false").then(|| text.to_owned()),
        Sort::Date => {
            let day = text.as_bytes();
            let shape = day.len() >= 10 && day[4] == b'-' && day[7] == b'-' && day[..4].iter().all(u8::is_ascii_digit);
            shape.then(|| quote(text))
        }
        _ => None,
    }
}

/// Candidates for a column that `text` (a condition) speaks of, in the order in which they are tried. Without NULL.
pub(super) fn candidates(column: &Column, text: &str, n: usize) -> Vec<String> {
    let mut all = vec![typical(column, n)];
    let literals = mentioned(text);
    // What a pattern takes is no pattern.
    let is_pattern = |literal: &&String| sort(column) == Sort::Text && sample(literal).is_some();
    let (patterns, plain): (Vec<&String>, Vec<&String>) = literals.iter().partition(is_pattern);
    all.extend(plain.into_iter().filter_map(|literal| fitting(column, literal)));
    match sort(column) {
        Sort::Integer(_) | Sort::Number => {
            for number in literals.iter().filter_map(|literal| literal.parse::<i64>().ok()) {
                all.extend([number.saturating_add(1), number.saturating_sub(1)].map(|near| near.to_string()));
            }
            all.extend(["1", "0", "-1", "2", "10", "100", "1000"].map(str::to_owned));
        }
        Sort::Text => {
            let lengths = literals.iter().filter_map(|literal| literal.parse::<usize>().ok()).filter(|n| *n <= 300);
            for length in lengths.collect::<Vec<_>>() {
                all.extend([length, length + 1, length.saturating_sub(1)].map(|length| quote(&"a".repeat(length))));
                all.push(quote(&"1".repeat(length)));
                all.push(quote(&"A".repeat(length)));
            }
            all.extend(literals.iter().filter_map(|literal| sample(literal)).map(|text| quote(&text)));
            all.extend(SAMPLES.iter().map(|text| quote(text)));
            all.extend(patterns.into_iter().filter_map(|literal| fitting(column, literal)));
        }
        Sort::Bool => all.extend(["true", "false"].map(str::to_owned)),
        Sort::Enum => all.extend(column.labels.iter().map(|label| quote(label))),
        Sort::Date => {
            let days = ["2023-12-31", "2024-06-01", "2025-01-01", "1900-01-01", "2999-01-01"];
            all.extend(days.map(quote));
        }
        Sort::Json => all.extend(["{}", "[]", "null", "1", "\"a\"", "{\"a\": 1}"].map(quote)),
        Sort::Array => all.extend(["'{}'".to_owned(), array_of(column, 1), array_of(column, 2)]),
        Sort::Range => all.extend([typical(column, 0), typical(column, 1), "'empty'".to_owned()]),
        Sort::Other if column.kind == "bytea" => {
            let lengths = literals.iter().filter_map(|literal| literal.parse::<usize>().ok()).filter(|n| *n <= 256);
            all.extend(lengths.map(|length| format!("'\\x{}'", format!("{:02x}", n + 1).repeat(length))));
        }
        Sort::Uuid | Sort::Other => {
            all.extend((0..3).map(|n| typical(column, n)));
            all.extend(edges(column));
        }
    }
    let fits = |value: &String| {
        width(column).is_none_or(|width| sort(column) != Sort::Text || value.chars().count() <= width + 2)
    };
    let mut seen = Vec::new();
    all.retain(|value| {
        fits(value) && !seen.contains(value) && {
            seen.push(value.clone());
            true
        }
    });
    all
}

/// An array with some elements.
fn array_of(column: &Column, count: usize) -> String {
    let element = if column.kind.contains("int") || column.kind.contains("numeric") { "1" } else { "a" };
    quote(&format!("{{{}}}", vec![element; count].join(",")))
}

/// Texts that common patterns want.
const SAMPLES: &[&str] = &[
    "",
    "a",
    "A",
    "1",
    "ann@example.com",
    "https://example.com/",
    "#00ff00",
    "+15551234567",
    "abc-def",
    "abc_def",
    "US",
    "USD",
    "en",
    "en-US",
    "0.1.0",
    "1.0.0",
    "2024-01-01",
    "10:00",
    "/a",
    "a/b",
    "a.b",
    "A1",
    "00000",
    "aaaaaaaa",
    "0000000000000000000000000000000000000000",
    "a b",
];

/// A text that a simple pattern of LIKE or of a regular expression takes.
fn sample(pattern: &str) -> Option<String> {
    if pattern.contains('%') {
        return Some(pattern.replace('%', "").replace('_', "a"));
    }
    let body = pattern.trim_start_matches('^').trim_end_matches('$');
    if body == pattern || pattern.len() > 80 {
        return None;
    }
    let chars: Vec<char> = body.chars().collect();
    let mut made = String::new();
    let mut at = 0;
    while at < chars.len() {
        let one = match chars[at] {
            '[' => {
                let end = at + chars[at..].iter().position(|c| *c == ']')?;
                let first = *chars.get(at + 1)?;
                at = end;
                if first == '^' { 'a' } else { first }
            }
            '\\' => {
                at += 1;
                match chars.get(at)? {
                    'd' => '1',
                    'w' => 'a',
                    's' => ' ',
                    other => *other,
                }
            }
            '.' => 'a',
            '(' | ')' | '|' | '?' => return None,
            other => other,
        };
        at += 1;
        let mut times = 1;
        match chars.get(at) {
            Some('+') => at += 1,
            Some('*' | '?') => (at, times) = (at + 1, 0),
            Some('{') => {
                let end = at + chars[at..].iter().position(|c| *c == '}')?;
                let count: String = chars[at + 1..end].iter().take_while(|c| c.is_ascii_digit()).collect();
                times = count.parse().ok()?;
                at = end + 1;
            }
            _ => {}
        }
        made.extend(std::iter::repeat_n(one, times));
    }
    Some(made)
}

/// A value of `old` that `new` can take only by cutting or rounding it; none where there is no such.
pub(super) fn precise(old: &Column, new: &Column) -> Option<String> {
    match (sort(old), sort(new)) {
        // An element of it.
        (Sort::Text | Sort::Number | Sort::Date, Sort::Array) => {
            let kind = new.kind.strip_prefix('_')?.to_owned();
            let category = if matches!(kind.as_str(), "varchar" | "bpchar" | "text") { "S" } else { "" }.to_owned();
            precise(old, &Column { kind, category, ..new.clone() })
        }
        (Sort::Text, Sort::Text) => {
            let room = width(new)? + 1;
            width(old).is_none_or(|width| width >= room).then(|| {
                let letters = (b'a'..=b'z').cycle().map(char::from);
                quote(&letters.take(room).collect::<String>())
            })
        }
        (Sort::Number, Sort::Integer(_) | Sort::Number) => match (old.kind.as_str(), precision(old)) {
            (_, Some((_, scale))) if scale <= 0 => None,
            (_, Some((_, scale))) => {
                Some(format!("0.{}", &"1234567891"[..usize::try_from(scale.min(10)).unwrap_or(1)]))
            }
            ("money", _) => Some("'1.23'".to_owned()),
            _ => Some("1.23456789".to_owned()),
        },
        (Sort::Date, Sort::Date) if old.kind != "date" => {
            let zone = if old.kind == "timestamptz" { "+00" } else { "" };
            Some(format!("'2024-01-02 12:34:56.789{zone}'"))
        }
        // The address of a host in its network is not kept.
        (Sort::Other, Sort::Other) if (old.kind.as_str(), new.kind.as_str()) == ("inet", "cidr") => {
            Some("'10.0.0.1/24'".to_owned())
        }
        _ => None,
    }
}

/// Objects whose key is not what a path to it hopes for; none where the text is no likely key.
pub(super) fn under(key: &str) -> Vec<String> {
    let likely = key.chars().next().is_some_and(char::is_alphabetic)
        && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    let values = if likely { ["\"abc\"", "\"\"", "null", "[]"].as_slice() } else { &[] };
    values.iter().map(|value| quote(&format!("{{\"{key}\": {value}}}"))).collect()
}

/// A text that a type refuses which takes most others, by the type's name in the catalog.
pub(super) fn awkward(kind: &str) -> Option<&'static str> {
    match kind {
        "xml" | "tsquery" => Some("Tom & Jerry's <3"),
        "tsvector" => Some("'round"),
        "bytea" => Some("C:\\new"),
        _ => None,
    }
}

/// What only a program would write.
pub(super) fn is_odd(value: &str) -> bool {
    matches!(value, "'NaN'" | "'Infinity'" | "'infinity'")
}

/// Values that a conversion to another type, a length or a range may not take, those that are met most first.
pub(super) fn edges(column: &Column) -> Vec<String> {
    let text = |all: &[&str]| all.iter().map(|text| quote(text)).collect::<Vec<_>>();
    match sort(column) {
        Sort::Text => {
            let long = width(column).unwrap_or(300).min(300);
            let mut all = text(&["n/a", "", "abc", "ann bob", "-1", "12.5", "3000000000", "2024-02-30", "Ünïcödé"]);
            all.push(quote(&"a".repeat(long)));
            all.retain(|value| width(column).is_none_or(|width| value.chars().count() <= width + 2));
            all
        }
        Sort::Integer(max) => [0, -1, 1_000_000, 40_000, 200, 2, max]
            .into_iter()
            .filter(|value| *value <= max)
            .map(|value| value.to_string())
            .collect(),
        Sort::Number if column.kind == "numeric" => match precision(column) {
            Some((digits, scale)) => {
                let whole = "9".repeat(usize::try_from(digits - scale).unwrap_or(0));
                vec![if whole.is_empty() { "0.9".to_owned() } else { whole }, "-1".to_owned(), "0".to_owned()]
            }
            None => text(&["3000000000", "-1", "0", "0.5", "99999999999999999999", "NaN"]),
        },
        Sort::Number if column.kind == "money" => text(&["-1", "0", "1000000"]),
        Sort::Number => text(&["1e20", "-1", "0", "0.5", "NaN", "Infinity"]),
        Sort::Date => text(&["1900-01-01", "2999-12-31", "infinity"]),
        Sort::Enum => column.labels.iter().map(|label| quote(label)).collect(),
        Sort::Json => text(&["{}", "[]", "null", "\"a\"", "1", "{\"a\": null}"]),
        Sort::Bool => vec!["false".to_owned(), "true".to_owned()],
        Sort::Array => vec!["'{}'".to_owned(), array_of(column, 2)],
        Sort::Other => text(match column.kind.as_str() {
            "inet" => &["10.0.0.1/24", "::1"],
            "cidr" => &["::/0"],
            "interval" => &["0", "-1 day", "400 days"],
            "time" | "timetz" => &["00:00", "24:00"],
            "varbit" => &["", "1010"],
            "bytea" => &["", "\\xff"],
            _ => &[],
        }),
        Sort::Uuid | Sort::Range => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_mentions_its_strings_and_numbers() {
        assert_eq!(mentioned("status IN ('a', 'it''s') AND n > -5 AND x1 < 2.5"), ["a", "it's", "-5", "2.5"]);
    }

    #[test]
    fn a_simple_pattern_has_a_sample() {
        assert_eq!(sample("^[a-z]{3}-\\d+$").as_deref(), Some("aaa-1"));
        assert_eq!(sample("ORD-%").as_deref(), Some("ORD-"));
        assert_eq!(sample("^(a|b)$"), None);
    }

    #[test]
    fn literals_are_quoted_for_every_setting_of_the_server() {
        assert_eq!(quote("it's"), "'it''s'");
        assert_eq!(quote("a\\b"), "E'a\\\\b'");
    }
}
