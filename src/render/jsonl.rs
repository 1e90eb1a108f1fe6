//! JSON lines: each line is the verdict on one set, so that a stream of them (`migd watch`) can be read as it comes.

use super::json::ended;
use crate::verdict::Report;

/// One line for each set; nothing where no set is concerned.
pub(super) fn render(report: &Report) -> String {
    report.verdicts.iter().map(|verdict| ended(serde_json::to_string(verdict))).collect()
}
