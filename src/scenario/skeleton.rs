//! Scenario files that are written for the user to go on with.

/// A query of a file that is being written, with its rows.
pub struct Assertion {
    /// The query.
    pub sql: String,
    /// A type letter for each column.
    pub types: String,
    /// The rows, as they are compared.
    pub rows: Vec<Vec<String>>,
}

/// A scenario over the migration `version`, which comes after `previous`.
pub fn text(
    comment: &[String],
    previous: Option<&str>,
    version: &str,
    setup: &[String],
    assertions: &[Assertion],
) -> String {
    let mut text: String = comment.iter().map(|line| format!("# {}\n", line.replace(['\n', '\r'], " "))).collect();
    if let Some(previous) = previous {
        text.push_str(&format!("migrate to {previous}\n\n"));
    }
    for statement in setup {
        text.push_str(&format!("statement ok\n{}\n\n", one_line(statement.trim_end().trim_end_matches(';'))));
    }
    text.push_str(&format!("migrate to {version}\n"));
    for Assertion { sql, types, rows } in assertions {
        text.push_str(&format!("\nquery {types} rowsort\n{sql}\n----\n"));
        rows.iter().for_each(|row| text.push_str(&format!("{}\n", row.join(" "))));
    }
    text
}

/// A statement without line ends: an empty line would end its record. Inside of strings they are written as escapes.
fn one_line(statement: &str) -> String {
    if !statement.contains(['\n', '\r']) {
        return statement.to_owned();
    }
    let (mut out, mut quoted, mut escaped, mut converted, mut start) = (String::new(), false, false, false, 0);
    let mut chars = statement.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' if !quoted => {
                (quoted, converted) = (true, false);
                escaped =
                    out.ends_with(['E', 'e']) && !out.trim_end_matches(['E', 'e']).ends_with(char::is_alphanumeric);
                start = out.len();
                out.push(c);
            }
            '\'' if chars.peek() == Some(&'\'') => {
                out.push_str("''");
                chars.next();
            }
            '\'' => {
                quoted = false;
                out.push(c);
            }
            '\\' if quoted && escaped => {
                out.push(c);
                out.extend(chars.next());
            }
            '\n' | '\r' if quoted => {
                if !escaped && !converted {
                    // Backslashes mean themselves so far.
                    let body = out.split_off(start);
                    out.push('E');
                    out.push_str(&body.replace('\\', "\\\\"));
                    converted = true;
                }
                out.push_str(if c == '\n' { "\\n" } else { "\\r" });
            }
            '\\' if converted && quoted => out.push_str("\\\\"),
            '\n' | '\r' => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_in_strings_become_escapes() {
        assert_eq!(one_line("INSERT INTO t\nVALUES ('a\n\nb\\')"), r"INSERT INTO t VALUES (E'a\n\nb\\')");
        assert_eq!(one_line("VALUES ('it''s\n', E'\\n\n', 'x')"), "VALUES (E'it''s\\n', E'\\n\\n', 'x')");
        assert_eq!(one_line("SELECT 1"), "SELECT 1");
    }

    #[test]
    fn what_is_written_can_be_read() {
        let rows = vec![vec!["1".to_owned(), "ann".to_owned()]];
        let assertion = Assertion { sql: "SELECT id, name FROM users".to_owned(), types: "IT".to_owned(), rows };
        let text =
            text(&["why".to_owned()], Some("1"), "2", &["INSERT INTO users VALUES (1);".to_owned()], &[assertion]);
        assert_eq!(crate::scenario::parse(&text).unwrap().steps.len(), 4);
    }
}
