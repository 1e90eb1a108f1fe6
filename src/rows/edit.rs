//! Statements as text: what is told from them and changed in them for a way out.

use regex::Regex;

/// How many actions an ALTER TABLE has: commas outside of parentheses and strings.
pub(super) fn actions(statement: &str) -> usize {
    let (mut depth, mut string, mut count) = (0i32, false, 1);
    for c in statement.chars() {
        match c {
            '\'' => string = !string,
            _ if string => {}
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => count += 1,
            _ => {}
        }
    }
    count
}

/// The name that an `ADD CONSTRAINT` gives, as it is written there.
pub(super) fn constraint_name(statement: &str) -> Option<String> {
    let pattern = Regex::new(r#"(?i)\bconstraint\s+("(?:[^"]|"")+"|\w+)"#).ok()?;
    Some(pattern.captures(statement)?.get(1)?.as_str().to_owned())
}

/// `text` with the first `what`, in whatever case, replaced.
pub(super) fn replaced(text: &str, what: &str, by: &str) -> Option<String> {
    let at = text.to_ascii_lowercase().find(what)?;
    Some(format!("{}{by}{}", text.get(..at)?, text.get(at + what.len()..)?))
}

/// `statement`, an ALTER TABLE, with a default for each of `columns` that it adds as NOT NULL; how many it has given one.
pub(super) fn with_defaults(statement: &str, columns: &[(&str, String)]) -> Option<(String, Vec<usize>)> {
    let (mut text, mut given) = (statement.to_owned(), Vec::new());
    for (at, (name, value)) in columns.iter().enumerate() {
        let name = regex::escape(name);
        // Some write quotes where none are needed.
        let name = if name.starts_with('"') { name } else { format!(r#"(?:{name}|"{name}")"#) };
        // Up to the end of the column's definition: commas in parentheses are its type's.
        let definition = format!(
            r"(?is)\badd\s+(?:column\s+)?(?:if\s+not\s+exists\s+)?{name}\s(?:[^,()]|\((?:[^()]|\([^()]*\))*\))*?\bnot\s+null\b",
        );
        let Some(found) = Regex::new(&definition).ok()?.find(&text).map(|found| found.range()) else { continue };
        text.insert_str(found.end, &format!(" DEFAULT {value}"));
        given.push(at);
    }
    (!given.is_empty()).then_some((text, given))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_between_actions_are_counted_and_those_within_are_not() {
        assert_eq!(actions("ALTER TABLE t ADD CHECK (a IN ('x,y', 'z')), ADD UNIQUE (a, b)"), 2);
        assert_eq!(actions("ALTER TABLE t ADD UNIQUE (a, b)"), 1);
    }

    #[test]
    fn the_name_of_a_constraint_is_taken_as_it_is_written() {
        let name = |statement: &str| constraint_name(statement);
        assert_eq!(name("ALTER TABLE t ADD CONSTRAINT a_there NOT NULL a").as_deref(), Some("a_there"));
        assert_eq!(name("alter table t add constraint \"a \"\"b\"\"\" not null a").as_deref(), Some("\"a \"\"b\"\"\""));
        assert_eq!(name("ALTER TABLE t ADD NOT NULL a"), None);
    }

    #[test]
    fn each_new_column_that_must_have_a_value_gets_one() {
        let statement = "ALTER TABLE t\n  ADD COLUMN price numeric(10, 2) NOT NULL,\n  ADD note text, ADD IF NOT EXISTS \"n\" int not null";
        let columns =
            [("price", "0".to_owned()), ("note", "''".to_owned()), ("n", "0".to_owned()), ("x", "0".to_owned())];
        let (text, given) = with_defaults(statement, &columns).unwrap();
        assert_eq!(
            text,
            "ALTER TABLE t\n  ADD COLUMN price numeric(10, 2) NOT NULL DEFAULT 0,\n  ADD note text, ADD IF NOT EXISTS \"n\" int \
             not null DEFAULT 0"
        );
        assert_eq!(given, [0, 2], "`note` may be NULL");
        assert_eq!(with_defaults("ALTER TABLE t ADD a int", &columns), None);
    }
}
