//! The architecture, held: imports point down, the environment is read in one place, files stay short.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules, lowest first; those of one row do not import each other unless the row says so in `WITHIN`.
const LAYERS: &[&[&str]] = &[
    &["verdict", "wire"],
    &["sql"],
    &["config"],
    &["catalog", "engine", "layout", "repo", "watch"],
    &["pool", "trace", "hooks"],
    &["rows"],
    &["scenario"],
    &["check"],
    &["judge", "render"],
    &["setup"],
    &["daemon"],
    &["lsp"],
    &["cli"],
];

fn sources(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "rs" => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// The module of the crate that a file belongs to.
fn module(path: &Path) -> Option<String> {
    let below = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).ok()?;
    let first = below.components().next()?.as_os_str().to_str()?;
    Some(first.trim_end_matches(".rs").to_owned())
}

/// The modules of the crate that a text names as `crate::…`.
fn imported(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let group = &group[..group.find("};").unwrap_or(0)];
            found.extend(group.split(',').map(|part| part.trim().split("::").next().unwrap_or_default().to_owned()));
        } else {
            found.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found.retain(|name| layer(name).is_some());
    found
}

#[test]
fn every_module_of_the_crate_has_its_layer() {
    for path in sources("src") {
        let module = module(&path).unwrap();
        assert!(layer(&module).is_some() || matches!(&*module, "lib" | "bin"), "{module} has no layer");
    }
}

#[test]
fn imports_point_down_only() {
    let mut wrong = Vec::new();
    for path in sources("src") {
        let module = module(&path).unwrap();
        let Some(own) = layer(&module) else { continue };
        for other in imported(&fs::read_to_string(&path).unwrap()) {
            if other != module && layer(&other).unwrap() >= own {
                wrong.push(format!("{}: {module} imports {other}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_hook_links_the_wire_only() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/migd-hook.rs")).unwrap();
    for (at, _) in text.match_indices("migd::") {
        assert!(text[at..].starts_with("migd::wire"), "{}", text[at..].lines().next().unwrap());
    }
}

#[test]
fn the_environment_is_read_in_one_file() {
    for path in sources("src").iter().filter(|path| !path.ends_with("wire/env.rs")) {
        let text = fs::read_to_string(path).unwrap();
        for reader in ["env::var(", "env::var_os(", "env::vars(", "env::vars_os("] {
            let found = text.match_indices(reader).any(|(at, _)| text[..at].ends_with("std::"));
            assert!(!found, "{} reads the environment with {reader}", path.display());
        }
    }
}

#[test]
fn files_open_with_what_they_are_for_and_stay_short() {
    for path in sources("src").iter().chain(&sources("tests")) {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.starts_with("//!"), "{} does not say what it is for", path.display());
        let lines = text.lines().count();
        assert!(lines <= 600, "{} has {lines} lines", path.display());
    }
}
