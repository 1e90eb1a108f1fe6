//! What `migd explain` says, for an editor: in short where the cursor is, in full as a page of its own.

use std::io;
use std::path::{Path, PathBuf};

use crate::check::codes::{Code, code};
use crate::verdict::Finding;
use crate::wire::endpoint::private_dir;
use crate::wire::file;

/// Where the page about a code is found by whoever has nothing but a browser.
pub(super) fn page(name: &str) -> String {
    format!("{}/blob/main/docs/checks/{name}.md", env!("CARGO_PKG_REPOSITORY"))
}

/// What is shown beside a finding, in Markdown: what its code means and what to do.
pub(super) fn hover(finding: &Finding) -> String {
    let head = format!("**{}[{}]** {}", finding.severity.as_str(), finding.code, finding.message);
    let Some(code) = code(&finding.code) else { return head };
    let parts = ["What it means", "What to do"].map(|title| section(code, title));
    format!("{head}\n\n{}\n\n**What to do.** {}\n\n[{}]({})", parts[0], parts[1], code.name, page(code.name))
}

/// The whole explanation, in Markdown.
pub(super) fn full(code: &Code) -> String {
    format!("# {}\n\n{}: {}\n\n{}", code.name, code.severity.as_str(), code.summary, code.explain)
}

/// Writes the whole explanation below `state` for an editor to open. The file.
pub(super) fn written(code: &Code, state: &Path) -> io::Result<PathBuf> {
    let folder = state.join("explain");
    private_dir(&folder)?;
    let path = folder.join(format!("{}.md", code.name));
    file::replace(&path, full(code).as_bytes(), file::PRIVATE)?;
    Ok(path)
}

/// One section of an explanation, without its heading.
fn section(code: &Code, title: &str) -> &'static str {
    let found = code.explain.split("## ").find_map(|section| section.strip_prefix(title));
    found.unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::CODES;
    use crate::verdict::Severity;

    #[test]
    fn every_code_has_a_short_explanation() {
        for code in CODES {
            let text = hover(&Finding::new(code.name, Severity::Error, "it is wrong"));
            assert!(text.starts_with(&format!("**error[{}]** it is wrong\n\n", code.name)), "{text}");
            assert!(
                !section(code, "What it means").is_empty() && !section(code, "What to do").is_empty(),
                "{}",
                code.name
            );
        }
    }

    #[test]
    fn the_whole_explanation_is_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(code("data.unique").unwrap(), folder.path()).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.starts_with("# data.unique\n\nerror: ") && text.contains("## Example"), "{text}");
    }
}
