//! One object of a schema: kind, name and attributes, all as text that a person reads.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A thing that has a name in the schema: a table, a column, a constraint, a function, …
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// As in `index`.
    pub(super) kind: Box<str>,
    /// As in `public.users_email_key`, or `users_email_key on public.users` for what has its name within a table.
    pub(super) name: Box<str>,
    /// The [keys](Object::key) of what it goes away with, one a line: its table, and what it is inherited from.
    pub(super) parent: Option<Box<str>>,
    /// What stays when the object is renamed, within its unit: the number of a column.
    pub(super) slot: i32,
    /// What the values are.
    pub(super) fields: Arc<[Field]>,
    /// The attributes; none where it is as by default.
    pub(super) values: Box<[Option<Box<str>>]>,
}

/// What one attribute is and how its changes are said.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Field {
    /// The word for it.
    pub(super) name: String,
    pub(super) style: Style,
    /// A difference in it changes nothing that a client sees.
    pub(super) cosmetic: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Style {
    /// One short value: `type was text, is varchar(20)`.
    Value,
    /// There or not: `NOT NULL is gone`.
    Flag,
    /// Lines in no order: `grant select to app is gone`.
    Set,
    /// Lines whose order matters, as far as they are in both.
    Order,
    /// SQL that may be written in several ways.
    Sql,
    /// A program's text.
    Body,
}

impl Field {
    /// From a query's column alias. Its last characters say how it is compared: `?` a flag, `*` a set, `^` an order,
    /// `=` SQL, `#` a body, and `~` after these: cosmetic.
    pub(super) fn parse(alias: &str) -> Self {
        let (alias, cosmetic) = alias.strip_suffix('~').map_or((alias, false), |a| (a, true));
        let (name, style) = match alias.chars().next_back() {
            Some('?') => (&alias[..alias.len() - 1], Style::Flag),
            Some('*') => (&alias[..alias.len() - 1], Style::Set),
            Some('^') => (&alias[..alias.len() - 1], Style::Order),
            Some('=') => (&alias[..alias.len() - 1], Style::Sql),
            Some('#') => (&alias[..alias.len() - 1], Style::Body),
            _ => (alias, Style::Value),
        };
        Self { name: name.to_owned(), style, cosmetic }
    }
}

impl Object {
    /// As in `table`, `column`, `materialized view`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The name with its schema, and with its table where it has its name within one (`touch on public.users`).
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is called in words: `index users_email_key`, `trigger touch on users`.
    pub fn label(&self) -> String {
        super::words::label(&self.kind, &self.name)
    }

    /// The attributes that are not as by default, with their words.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().zip(&self.values).filter_map(|(f, v)| v.as_deref().map(|v| (f.name.as_str(), v)))
    }

    /// The keys of what it goes away with.
    pub(super) fn parents(&self) -> impl Iterator<Item = &str> {
        self.parent.as_deref().unwrap_or_default().lines()
    }

    /// Whether it is there only where there is more to say of a part (a view's column, a type's attribute) than its name and
    /// type, which the whole has among its attributes.
    pub(super) fn is_remark(&self) -> bool {
        let of_view = |p: &str| p.starts_with("view ") || p.starts_with("materialized view ");
        &*self.kind == "attribute" || &*self.kind == "column" && self.parents().any(of_view)
    }

    /// The same, of which there is nothing to say.
    pub(super) fn bare(&self) -> Self {
        Self { values: vec![None; self.values.len()].into(), ..self.clone() }
    }

    /// What tells it from all others.
    pub(super) fn key(&self) -> String {
        format!("{} {}", self.kind, self.name)
    }
}
