//! `migd docs DIR` (hidden): writes the pages under `docs/checks/` from the registry of codes, and beside `docs/` the
//! configuration's schema, `config/schema.json`.

use std::fs;
use std::io;
use std::path::Path;

use super::explain::family;
use crate::check::CODES;

/// The pages by file name: one for each code, and the index.
pub fn pages() -> Vec<(String, String)> {
    let mut pages: Vec<(String, String)> = CODES
        .iter()
        .map(|code| {
            let page = format!(
                "{GENERATED}\n# {}\n\nDefault: **{}** · {}\n\n{}\n[All findings](README.md)\n",
                code.name,
                code.severity.as_str(),
                code.summary,
                code.explain,
            );
            (format!("{}.md", code.name), page)
        })
        .collect();
    pages.push(("README.md".to_owned(), index()));
    pages
}

const GENERATED: &str = "<!-- Generated from src/check/codes/ by `migd docs docs`. -->\n";

fn index() -> String {
    let mut out = format!(
        "{GENERATED}\n# Findings\n\nEverything that migd can find. Severities can be set by code or by family under \
         `[checks]` in `migd.toml`\n(`\"revert.missing\" = \"off\"`); `migd explain CODE` prints these pages.\n"
    );
    for group in CODES.chunk_by(|a, b| a.family() == b.family()) {
        let Some(first) = group.first() else { continue };
        let name = first.family();
        out.push_str(&format!(
            "\n## {name}\n\nIn short: {}.\n\n| code | default | says |\n| --- | --- | --- |\n",
            family(name)
        ));
        for code in group {
            let severity = code.severity.as_str();
            out.push_str(&format!("| [{0}]({0}.md) | {severity} | {1} |\n", code.name, code.summary));
        }
    }
    out
}

/// Writes `checks/` in `dir`, removes the pages of codes that are no more, and writes `config/schema.json` beside `dir`.
/// Gives the number of pages.
pub fn write(dir: &Path) -> io::Result<usize> {
    let checks = dir.join("checks");
    fs::create_dir_all(&checks)?;
    let pages = pages();
    for entry in fs::read_dir(&checks)? {
        let path = entry?.path();
        let known = path.file_name().is_some_and(|name| pages.iter().any(|(page, _)| name == page.as_str()));
        if !known && path.extension().is_some_and(|extension| extension == "md") {
            fs::remove_file(path)?;
        }
    }
    for (name, text) in &pages {
        fs::write(checks.join(name), text)?;
    }
    let config = dir.join("../config");
    fs::create_dir_all(&config)?;
    fs::write(config.join("schema.json"), crate::config::schema())?;
    Ok(pages.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_in_the_repository_are_those_of_the_registry() {
        let checks = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/checks");
        let remedy = "run `cargo run --bin migd -- docs docs`";
        for (name, text) in pages() {
            let there = fs::read_to_string(checks.join(&name)).unwrap_or_default();
            assert!(there == text, "docs/checks/{name} is out of date: {remedy}");
        }
        let there =
            fs::read_dir(&checks).unwrap().filter_map(|entry| entry.unwrap().path().extension().map(|e| e == "md"));
        let there = there.filter(|is_page| *is_page).count();
        assert_eq!(there, pages().len(), "docs/checks has a page of a code that is no more: {remedy}");
    }

    #[test]
    fn writing_replaces_old_pages_and_keeps_other_files() {
        let top = tempfile::tempdir().unwrap();
        let dir = top.path().join("docs");
        fs::create_dir_all(dir.join("checks")).unwrap();
        fs::write(dir.join("checks/gone.code.md"), "old").unwrap();
        fs::write(dir.join("checks/picture.svg"), "<svg/>").unwrap();
        assert_eq!(write(&dir).unwrap(), CODES.len() + 1);
        assert!(!dir.join("checks/gone.code.md").exists());
        assert!(dir.join("checks/picture.svg").exists());
        let page = fs::read_to_string(dir.join("checks/apply.error.md")).unwrap();
        assert!(page.contains("# apply.error") && page.contains("## What to do"));
        assert_eq!(fs::read_to_string(top.path().join("config/schema.json")).unwrap(), crate::config::schema());
    }
}
