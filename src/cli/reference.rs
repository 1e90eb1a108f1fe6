//! `docs/cli.md`, from the command line's own definition.

use clap::{Arg, Command};

/// The page.
pub(super) fn page() -> String {
    let mut command = super::command();
    command.build();
    let mut page = String::from(
        "<!-- Generated from src/cli/ by `migd docs docs`. -->\n\n# The command line\n\n`migd COMMAND --help` prints the same.\n\n\
         Exit status: 0 pass or warnings only; 1 the verdict is `fail`; 2 usage or configuration; 3 could not judge.\n\
         `--format json` prints exactly one object on standard output; progress and notes go to standard error.\n",
    );
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        describe(sub, "migd", &mut page);
    }
    page
}

fn describe(command: &Command, parent: &str, page: &mut String) {
    let name = format!("{parent} {}", command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    page.push_str(&format!("\n## {name}\n\n{about}.\n"));
    let listed: Vec<&Arg> =
        command.get_arguments().filter(|arg| !arg.is_hide_set() && arg.get_id() != "help").collect();
    if !listed.is_empty() {
        page.push_str("\n| argument | meaning |\n| --- | --- |\n");
    }
    for arg in listed {
        let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let values: Vec<String> = arg
            .get_possible_values()
            .iter()
            .filter(|v| !v.is_hide_set())
            .map(|v| format!("`{}`", v.get_name()))
            .collect();
        if !values.is_empty() && arg.get_action().takes_values() {
            help.push_str(&format!(": {}", values.join(", ")));
        }
        page.push_str(&format!("| `{}` | {help} |\n", usage(arg)));
    }
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        describe(sub, &name, page);
    }
}

/// How an argument is written: `-f, --follow`, `--set NAME`, `CODE`.
fn usage(arg: &Arg) -> String {
    let value = arg.get_value_names().and_then(|names| names.first()).map(|name| name.to_string());
    let value = value.filter(|_| arg.get_action().takes_values());
    if arg.is_positional() {
        return value.unwrap_or_default();
    }
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    match value {
        Some(value) => format!("{} {value}", names.join(", ")),
        None => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_reference_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cli.md");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == super::page(), "docs/cli.md is out of date: run `cargo run -- docs docs`");
    }
}
