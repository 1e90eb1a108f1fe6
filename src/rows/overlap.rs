//! Which rows an exclusion constraint tells from each other, read from its definition.

use super::schema::{Condition, Table, with_names};
use crate::sql::lexer::{Lexer, TokenKind};

/// That rows `a` and `b` of `table` exclude each other, `a` the earlier one; none where the definition cannot be read.
pub(super) fn overlap(table: &Table, exclusion: &Condition) -> Option<String> {
    let definition = exclusion.text.split_once('(')?.1;
    let (elements, rest) = within(definition)?;
    let mut all = vec!["a.ctid < b.ctid".to_owned()];
    for element in elements {
        let (part, operator) = element.rsplit_once(" WITH ")?;
        all.push(format!("{} {operator} {}", of_row("a", part, table), of_row("b", part, table)));
    }
    if let Some((_, condition)) = rest.split_once(" WHERE (") {
        let length = condition.len() - within(condition)?.1.len();
        let condition = condition[..length].strip_suffix(')')?;
        all.extend(["a", "b"].map(|row| of_row(row, condition, table)));
    }
    Some(all.join(" AND "))
}

/// What stands before the end of the parenthesis that is open at the beginning of `text`, parted by its commas, and what stands
/// behind it.
fn within(text: &str) -> Option<(Vec<&str>, &str)> {
    let (mut depth, mut parts, mut start) = (0usize, Vec::new(), 0);
    for token in Lexer::new(text, 0) {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close if depth == 0 => {
                parts.push(text[start..token.start].trim());
                return Some((parts, &text[token.end..]));
            }
            TokenKind::Close => depth -= 1,
            TokenKind::Other(b',') if depth == 0 => {
                parts.push(text[start..token.start].trim());
                start = token.end;
            }
            _ => {}
        }
    }
    None
}

/// `expression`, with the columns of `table` in it as those of `row`.
fn of_row(row: &str, expression: &str, table: &Table) -> String {
    let own = |name: &str| table.columns.values().any(|column| column.name == name);
    with_names(expression, |name| own(name).then(|| format!("{row}.{name}")))
}

#[cfg(test)]
mod tests {
    use super::super::schema::Column;
    use super::*;

    #[test]
    fn a_definition_is_read_with_its_expressions_and_its_condition() {
        let column = |name: &str| Column { name: name.to_owned(), ..Column::default() };
        let columns = ["room", "\"from, to\"", "till", "state"].iter().zip(1..);
        let columns = columns.map(|(name, n)| (n, column(name))).collect();
        let table = Table { columns, ..Table::default() };
        let told = |text: &str| {
            let text = text.to_owned();
            overlap(&table, &Condition { oid: 1, name: String::new(), columns: Vec::new(), text, validated: true })
        };
        assert_eq!(
            told("EXCLUDE USING gist (room WITH =, \"from, to\" WITH &&)").unwrap(),
            "a.ctid < b.ctid AND a.room = b.room AND a.\"from, to\" && b.\"from, to\""
        );
        assert_eq!(
            told("EXCLUDE USING gist (daterange(till, till, '(]'::text) WITH &&) WHERE ((state <> ALL ('{a,b)}'::text[]))) DEFERRABLE")
                .unwrap(),
            "a.ctid < b.ctid AND daterange(a.till, a.till, '(]'::text) && daterange(b.till, b.till, '(]'::text) \
             AND (a.state <> ALL ('{a,b)}'::text[])) AND (b.state <> ALL ('{a,b)}'::text[]))"
        );
        assert_eq!(told("EXCLUDE"), None);
    }
}
