//! Whether a value of another type still holds the one that it was made of: `ARRAY[c]`, `to_jsonb(c)`, `c::bytea` change its
//! form, and take nothing from it.

use serde_json::Value;

use super::schema::Column;
use super::values::{self, Sort};

/// What a value of a type is made up of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Array,
    Json,
    Composite,
}

fn form(column: &Column) -> Form {
    match values::sort(column) {
        Sort::Array => Form::Array,
        Sort::Json => Form::Json,
        _ if column.category == "C" => Form::Composite,
        _ => Form::Plain,
    }
}

/// Whether values of `old` and `new` are built otherwise, so that no cast leads back from one to the other.
pub(super) fn is_rebuilt(old: &Column, new: &Column) -> bool {
    form(old) != form(new)
}

/// Whether `now` is the value `old`, or has it as an element, a member, a key or as its text. Both as `to_jsonb` writes them;
/// what cannot be read holds nothing.
pub(super) fn holds(now: Option<&str>, old: Option<&str>) -> bool {
    let read = |text: Option<&str>| text.and_then(|text| serde_json::from_str::<Value>(text).ok());
    match (read(now), read(old)) {
        (Some(now), Some(old)) => has(&now, &old),
        _ => false,
    }
}

fn has(now: &Value, old: &Value) -> bool {
    let inside = match now {
        Value::Array(all) => all.iter().any(|one| has(one, old)),
        Value::Object(all) => all.iter().any(|(key, one)| old.as_str() == Some(key) || has(one, old)),
        _ => false,
    };
    inside || now == old || is_text_of(now, old) || is_text_of(old, now)
}

/// Whether `text` is what `value` is written as: a number's digits, a JSON document's source, a text's bytes.
fn is_text_of(text: &Value, value: &Value) -> bool {
    let Value::String(text) = text else { return false };
    match value {
        Value::String(value) => {
            let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
            text.strip_prefix("\\x") == Some(hex.as_str())
        }
        Value::Null => false,
        value => serde_json::from_str::<Value>(text).is_ok_and(|read| read == *value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_held_by_what_is_made_of_it() {
        for (now, old) in [
            (r#"["ann"]"#, r#""ann""#),
            ("[5]", "5"),
            (r#""ann""#, r#""ann""#),
            (r#"{"en": "ann"}"#, r#""ann""#),
            (r#"{"ann": true}"#, r#""ann""#),
            (r#"{"all": [{"a": 1}]}"#, r#"{"a": 1}"#),
            (r#""\\x616e6e""#, r#""ann""#),
            (r#""ann""#, r#""\\x616e6e""#),
            (r#"{"a": 1}"#, r#""{\"a\":1}""#),
            (r#"["5"]"#, "5"),
        ] {
            assert!(holds(Some(now), Some(old)), "{now} is made of {old}");
        }
    }

    #[test]
    fn what_is_cut_rounded_or_another_value_is_not_held() {
        for (now, old) in [
            (r#"["an"]"#, r#""ann""#),
            ("[1]", "1.5"),
            ("[]", "1"),
            ("null", "1"),
            (r#""annex""#, r#""ann""#),
            (r#""a""#, r#"["a", "b"]"#),
            ("not JSON", "1"),
        ] {
            assert!(!holds(Some(now), Some(old)), "{now} is not {old}");
        }
        assert!(!holds(None, Some("1")) && !holds(Some("1"), None));
    }
}
