//! A migration that passes alone, and not in one transaction with those before it.

use std::sync::Arc;

use super::apply;
use crate::layout::{Layout, Migration};
use crate::trace::Failure;
use crate::verdict::Finding;

/// What is said of `migration`, which fails in the transaction in which its runner has run those `before` it.
pub(crate) fn together(
    layout: &dyn Layout,
    migration: &Migration,
    before: &[Arc<Migration>],
    why: &Failure,
) -> Finding {
    let mut finding = apply::failure(&migration.up, why);
    let names = match before {
        [.., last] if before.len() > 1 => format!("{} and {} more", last.version, before.len() - 1),
        [only] => only.version.clone(),
        _ => String::new(),
    };
    finding.message = format!("fails in one transaction with {names}: {}", finding.message);
    let said = format!("{} runs all that is pending in one transaction; in one of its own this passes", layout.name());
    finding.detail = Some(finding.detail.take().into_iter().chain([said]).collect::<Vec<_>>().join("\n"));
    let apart = "deploy what is before it by itself first";
    finding.help = Some(match finding.sqlstate.as_deref() {
        Some("55P04") => format!(
            "{apart}, or make the type anew in the place of ADD VALUE: CREATE TYPE, ALTER COLUMN … TYPE … USING …, DROP TYPE"
        ),
        _ => format!("{apart}, or write both so that they pass in one transaction"),
    });
    finding
}
