//! The layers, the errors' places and words, and the generated files.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::wire::env;

/// What the repository's file alone gives.
fn load(text: &str) -> Result<Config, Error> {
    Config::load(None, Some(text), &BTreeMap::new())
}

/// `place: message | help` of the error in the repository's file.
fn says(text: &str) -> String {
    let error = load(text).unwrap_err();
    assert_eq!(error.code(), "config.invalid");
    format!("{error} | {}", error.help())
}

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn without_any_layer_everything_is_at_its_default() {
    assert_eq!(Config::load(None, None, &BTreeMap::new()).unwrap(), Config::default());
    assert_eq!(load("").unwrap(), Config::default());
}

#[test]
fn the_last_layer_that_states_a_key_has_it() {
    let user = "[hook]\nbudget = '1s'\nunavailable = 'warn'\n[limits]\nstatement = '1s'\n[checks]\nrevert = 'note'\n";
    let repository = "[hook]\nbudget = '2s'\n[limits]\nstatement = '2s'\n[checks]\nhistory = 'off'\n";
    let overrides = variables(&[("MIGD_HOOK_BUDGET", "3s"), ("GIT_INDEX_FILE", "x"), ("MIGD_LOG", "debug")]);
    let config = Config::load(Some(user), Some(repository), &overrides).unwrap();
    assert_eq!(config.hook.budget, Duration::from_secs(3));
    assert_eq!(config.hook.unavailable, Unavailable::Warn);
    assert_eq!(config.limits.statement, Duration::from_secs(2));
    assert_eq!(config.limits.judgement, Limits::default().judgement);
    assert_eq!(config.check_keys().collect::<Vec<_>>(), ["history", "revert"]);
}

#[test]
fn lists_replace_and_tables_merge() {
    let user =
        "[engine.settings]\nwork_mem = '1MB'\njit = 'on'\n[[migrations]]\npath = 'a'\n[[migrations]]\npath = 'b'\n";
    let repository = "engine.settings.work_mem = '2MB'\n[[migrations]]\npath = 'c'\n";
    let config = Config::load(Some(user), Some(repository), &BTreeMap::new()).unwrap();
    assert_eq!(config.engine.settings, variables(&[("work_mem", "2MB"), ("jit", "on")]));
    assert_eq!(config.migrations, [Set { path: "c".to_owned(), ..Set::default() }]);
}

#[test]
fn every_override_reaches_its_key_and_none_is_left_out() {
    let values = [
        ("MIGD_ENGINE", "url"),
        ("MIGD_ENGINE_URL", "postgres://host/db"),
        ("MIGD_POSTGRES", "16"),
        ("MIGD_IMAGE", "postgres:16"),
        ("MIGD_BIN_DIR", "/opt/pg/bin"),
        ("MIGD_HOOK_BUDGET", "250ms"),
        ("MIGD_HOOK_UNAVAILABLE", "warn"),
        ("MIGD_ROWS_BUDGET", "7s"),
    ];
    assert_eq!(values.map(|(name, _)| name), env::OVERRIDES);
    let config = Config::load(None, None, &variables(&values)).unwrap();
    let engine = Engine {
        kind: EngineKind::Url,
        url: "postgres://host/db".to_owned(),
        postgres: "16".to_owned(),
        image: "postgres:16".to_owned(),
        bin_dir: "/opt/pg/bin".to_owned(),
        ..Engine::default()
    };
    assert_eq!(config.engine, engine);
    assert_eq!(config.hook, Hook { budget: Duration::from_millis(250), unavailable: Unavailable::Warn });
    assert_eq!((config.rows.budget, config.rows.patience), (Duration::from_secs(7), Duration::from_secs(7)));
}

#[test]
fn an_empty_variable_overrides_nothing() {
    let config = Config::load(None, None, &variables(&[("MIGD_ENGINE", ""), ("MIGD_HOOK_BUDGET", "")])).unwrap();
    assert_eq!(config, Config::default());
}

#[test]
fn a_wrong_variable_is_named() {
    let error = Config::load(None, None, &variables(&[("MIGD_HOOK_BUDGET", "10")])).unwrap_err();
    assert_eq!(error.to_string(), "MIGD_HOOK_BUDGET: `hook.budget` cannot be string \"10\"");
    assert!(error.help().contains("\"250ms\""), "{}", error.help());
    assert_eq!(error.place(), None);
    let error = Config::load(None, None, &variables(&[("MIGD_ENGINE", "contaner")])).unwrap_err();
    assert_eq!(error.to_string(), "MIGD_ENGINE: `engine.kind` cannot be \"contaner\"");
    assert!(error.help().starts_with("did you mean \"container\"?"), "{}", error.help());
}

#[test]
fn an_unknown_key_is_named_with_the_one_that_was_meant() {
    assert_eq!(
        says("[limits]\nstatment = \"30s\"\n"),
        "migd.toml:2:1: unknown key `limits.statment` | did you mean `statement`?"
    );
    assert_eq!(says("[limit]\n"), "migd.toml:1:2: unknown key `limit` | did you mean `limits`?");
    assert_eq!(says("hook.budgt = '1s'"), "migd.toml:1:6: unknown key `hook.budgt` | did you mean `budget`?");
    assert_eq!(
        says("[[migrations]]\npath = 'a'\n\n[[migrations]]\npath = 'b'\nsetup-sql = []\n"),
        "migd.toml:6:1: unknown key `migrations.setup-sql` | did you mean `setup_sql`?"
    );
    assert_eq!(
        says("[hook]\ncoffee = true\n"),
        "migd.toml:2:1: unknown key `hook.coffee` | the keys here are: `budget`, `unavailable`"
    );
    assert_eq!(
        says("hook = { budget = '1s', coffee = 1 }\n"),
        "migd.toml:1:25: unknown key `hook.coffee` | the keys here are: `budget`, `unavailable`"
    );
}

#[test]
fn a_value_of_the_wrong_type_says_what_it_must_be() {
    let duration = "it must be a number with its unit in quotes, such as \"10s\", \"250ms\" or \"2h 30m\"";
    assert_eq!(
        says("[hook]\nbudget = 10\n"),
        format!("migd.toml:2:10: `hook.budget` cannot be integer `10` | {duration}")
    );
    assert_eq!(
        says("[hook]\nbudget = \"soon\"\n"),
        format!("migd.toml:2:10: `hook.budget` cannot be string \"soon\" | {duration}")
    );
    assert_eq!(
        says("[engine]\npostgres = 17\n"),
        "migd.toml:2:12: `engine.postgres` cannot be integer `17` | it must be text in quotes, such as \"17\""
    );
    assert_eq!(
        says("engine.superuser = 'yes'\n"),
        "migd.toml:1:20: `engine.superuser` cannot be string \"yes\" | it must be `true` or `false`, without quotes"
    );
    assert_eq!(
        says("[limits]\nfile_bytes = -1\n"),
        "migd.toml:2:14: `limits.file_bytes` cannot be integer `-1` | it must be a whole number from 0 on, without quotes"
    );
    assert_eq!(
        says("[engine]\nkind = \"dockr\"\n"),
        "migd.toml:2:8: `engine.kind` cannot be \"dockr\" | possible are: `auto`, `container`, `local`, `url`"
    );
    assert_eq!(
        says("[checks]\n\"revert.missing\" = \"warn\"\n"),
        "migd.toml:2:20: `checks.revert.missing` cannot be \"warn\" | possible are: `off`, `note`, `warning`, `error`"
    );
    assert_eq!(
        says("[engine.settings]\njit = true\n"),
        "migd.toml:2:7: `engine.settings.jit` cannot be boolean `true` | it must be text in quotes, such as \"17\""
    );
    assert_eq!(
        says("[migrations]\npath = 'db'\n"),
        "migd.toml:1:1: `migrations` cannot be map | it must be one or more sections `[[migrations]]`, in double brackets"
    );
    assert_eq!(
        says("[[migrations]]\nname = 'a'\n"),
        "migd.toml:1:1: `migrations` lacks the key `path` | add `path = …`"
    );
}

#[test]
fn what_is_no_toml_is_shown_where_it_stops_being_it() {
    assert!(says("[hook]\nbudget = \n").starts_with("migd.toml:2:"), "{}", says("[hook]\nbudget = \n"));
    assert!(says("[hook]\nbudget = 10s\n").starts_with("migd.toml:2:"), "{}", says("[hook]\nbudget = 10s\n"));
    assert!(says("[hook]\n[hook]\n").starts_with("migd.toml:2:"), "{}", says("[hook]\n[hook]\n"));
    assert!(says("a = \"\n").contains("this is no TOML"));
}

#[test]
fn the_place_has_both_ends_and_the_line() {
    let error = load("# Größe\n[hook]\nbudget = \"größer\" # hm\n").unwrap_err();
    let (path, span, source) = error.place().unwrap();
    assert_eq!(path, "migd.toml");
    assert_eq!(span, crate::verdict::Span { line: 3, column: 10, end_line: 3, end_column: 18 });
    assert_eq!(source, "budget = \"größer\" # hm");
}

#[test]
fn the_users_file_is_called_by_its_path() {
    let error = Config::load(Some("[hok]\n"), Some("[hook]\n"), &BTreeMap::new()).unwrap_err();
    let path = user_file(&BTreeMap::new());
    assert_eq!(error.place().unwrap().0, path.display().to_string());
    assert!(path.ends_with("migd/config.toml"), "{}", path.display());
}

#[test]
#[cfg(not(target_os = "macos"))]
fn the_users_file_is_that_of_whoever_asks() {
    let env = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    assert_eq!(user_file(&env("HOME", "/home/ann")).to_str(), Some("/home/ann/.config/migd/config.toml"));
    assert_eq!(user_file(&env("XDG_CONFIG_HOME", "/x")).to_str(), Some("/x/migd/config.toml"));
    assert_eq!(user_file(&env("HOME", "not/absolute")), user_file(&BTreeMap::new()));
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_read() {
    let config = load("\u{feff}[hook]\r\nbudget = \"1s\"\r\n").unwrap();
    assert_eq!(config.hook.budget, Duration::from_secs(1));
    assert_eq!(says("\u{feff}[hok]\r\nbudget = \"1s\"\r\n"), "migd.toml:1:2: unknown key `hok` | did you mean `hook`?");
    let (_, _, source) = load("[hook]\r\nbudget = 1\r\n").unwrap_err().place().unwrap();
    assert_eq!(source, "budget = 1");
}

#[test]
fn a_superuser_needs_a_container() {
    let text = "[engine]\nkind = 'local'\nsuperuser = true\n";
    assert!(says(text).starts_with("migd.toml:3:13: `engine.superuser` needs a container"), "{}", says(text));
    assert!(load("[engine]\nkind = 'container'\nsuperuser = true\n").unwrap().engine.superuser);
    // The two may come from different layers: the place is where the superuser is asked for.
    let local = variables(&[("MIGD_ENGINE", "local")]);
    let error = Config::load(None, Some("engine.superuser = true\n"), &local).unwrap_err();
    assert!(error.to_string().starts_with("migd.toml:1:20: "), "{error}");
}

#[test]
fn the_url_engine_needs_a_url_from_any_layer() {
    assert!(says("[engine]\nkind = 'url'\n").starts_with("migd.toml:2:8: `engine.kind` is \"url\""));
    let url = variables(&[("MIGD_ENGINE_URL", "postgres://host/db")]);
    assert!(Config::load(None, Some("[engine]\nkind = 'url'\n"), &url).is_ok());
    let error = Config::load(None, None, &variables(&[("MIGD_ENGINE", "url")])).unwrap_err();
    assert!(error.to_string().starts_with("MIGD_ENGINE: `engine.kind` is \"url\""), "{error}");
}

#[test]
fn the_version_is_a_major_version() {
    assert!(says("[engine]\npostgres = '17.5'\n").starts_with("migd.toml:2:12: `engine.postgres` cannot be \"17.5\""));
}

#[test]
fn a_budget_of_nothing_is_refused() {
    assert!(says("[hook]\nbudget = '0s'\n").starts_with("migd.toml:2:10: `hook.budget` is no time at all"));
    assert!(says("[limits]\nfile_bytes = 0\n").starts_with("migd.toml:2:14: `limits.file_bytes` lets nothing through"));
}

#[test]
fn settings_that_are_migds_own_are_refused() {
    for name in ["listen_addresses", "unix_socket_directories", "port", "data_directory", "hba_file", "config_file"] {
        let said = says(&format!("[engine.settings]\n{name} = 'x'\n"));
        assert!(said.starts_with(&format!("migd.toml:2:1: `engine.settings.{name}` is migd's own to set")), "{said}");
    }
    assert!(says("[engine.settings]\n'Work Mem' = '1'\n").contains("no name of a server's setting"));
    assert!(says("[engine.settings]\nwork_mem = \"1\\n2\"\n").contains("control character"));
    assert!(load("[engine.settings]\n\"auto_explain.log_min_duration\" = '1s'\n").is_ok());
}

#[test]
fn a_rule_for_names_is_a_regular_expression() {
    let said = says("[history]\nnaming = '(['\n");
    assert!(said.starts_with("migd.toml:2:10: `history.naming` is no regular expression: "), "{said}");
    let config = load("[history]\nnaming = '^\\d{4}_'\ngaps = false\n").unwrap();
    assert_eq!((config.history.naming.as_str(), config.history.gaps), ("^\\d{4}_", false));
    assert!(load("").unwrap().history.gaps);
}

#[test]
fn check_keys_are_families_or_codes() {
    let config =
        load("[checks]\nhistory = 'off'\n\"revert.missing\" = 'error'\n\"lint.any-name-at-all\" = 'note'\n").unwrap();
    assert_eq!(config.check_keys().count(), 3);
    assert_eq!(
        says("[checks]\nhistroy = 'off'\n"),
        "migd.toml:2:1: there is no family of findings called `histroy` | did you mean `history`?"
    );
    assert!(says("[checks]\n\"reverts.missing\" = 'off'\n").ends_with("did you mean `revert`?"));
    for key in ["revert.", ".missing", "Revert.missing", "revert.missing.more", "revert missing", "revert.-x", ""] {
        assert!(says(&format!("[checks]\n\"{key}\" = 'off'\n")).contains("is no code"), "{key}");
    }
    let unquoted = says("[checks]\nrevert.missing = 'off'\n");
    assert!(unquoted.contains("`checks.revert.missing` is not quoted"), "{unquoted}");
    assert!(unquoted.ends_with("`\"revert.missing\" = \"off\"`"), "{unquoted}");
}

#[test]
fn set_paths_have_one_form() {
    let paths =
        |text: &str| -> Vec<String> { load(text).unwrap().migrations.into_iter().map(|set| set.path).collect() };
    assert_eq!(paths("[[migrations]]\npath = './db/'\n[[migrations]]\npath = 'a//./b'\n"), ["db", "a/b"]);
    assert_eq!(paths("[[migrations]]\npath = '.'\n"), [""]);
    let config = load("[[migrations]]\npath = 'db'\nsetup_sql = ['./before.sql', 'x/y.sql']\n").unwrap();
    assert_eq!(config.migrations[0].setup_sql, [PathBuf::from("before.sql"), PathBuf::from("x/y.sql")]);
}

#[test]
fn paths_that_leave_the_repository_are_refused() {
    for (path, why) in [
        ("/db", "is not relative"),
        ("~/db", "is not relative"),
        ("../db", "leads upwards"),
        ("a/../../b", "leads upwards"),
        ("db\\migrations", "has a backslash"),
    ] {
        let said = says(&format!("[[migrations]]\npath = 'fine'\n[[migrations]]\npath = '{path}'\n"));
        assert!(said.starts_with(&format!("migd.toml:4:8: the path \"{path}\" {why}")), "{said}");
        let said = says(&format!("[[migrations]]\npath = 'fine'\nsetup_sql = ['{path}']\n"));
        assert!(said.starts_with(&format!("migd.toml:3:13: the setup file \"{path}\" {why}")), "{said}");
    }
    assert!(says("[[migrations]]\npath = 'db'\nsetup_sql = ['.']\n").contains("names no file"));
}

#[test]
fn sets_are_told_apart_by_folder_and_name() {
    let set = |path: &str, name: &str| format!("[[migrations]]\npath = '{path}'\n{name}");
    let twice = set("db", "") + &set("./db", "name = 'other'");
    assert!(says(&twice).starts_with("migd.toml:4:8: the folder \"db\" is stated twice"), "{}", says(&twice));
    let named = set("a", "name = 'shop'\n") + &set("b", "name = 'shop'\n");
    assert!(says(&named).starts_with("migd.toml:6:8: two sets are called \"shop\""), "{}", says(&named));
    let by_path = set("a", "name = 'b'\n") + &set("b", "");
    assert!(says(&by_path).contains("two sets are called \"b\""), "{}", says(&by_path));
    assert!(says(&set("a", "name = ' '\n")).contains("the set's name is empty"));
}

#[test]
fn the_default_file_is_the_default() {
    assert_eq!(load(Config::default_text()).unwrap(), Config::default());
    for line in Config::default_text().lines() {
        assert!(line.chars().count() <= 130, "{line}");
    }
}

/// What is a comment for want of a default is no less right.
#[test]
fn the_default_files_examples_can_be_used() {
    let is_example = |line: &str| {
        let line = line.trim_start_matches("# ");
        line.starts_with("[[") || line.split_once(" = ").is_some_and(|(key, _)| !key.trim_matches('"').contains(' '))
    };
    let uncommented: Vec<&str> = Config::default_text()
        .lines()
        .map(|line| if line.starts_with("# ") && is_example(line) { &line[2..] } else { line })
        .collect();
    let config = load(&uncommented.join("\n")).unwrap();
    assert_eq!(config.migrations.len(), 1);
    assert_eq!(config.migrations[0].vars.len(), 1);
    assert_eq!(config.checks.len(), 2);
    assert_eq!(config.engine.settings.len(), 1);
}

#[test]
fn the_default_file_names_every_key_of_the_schema() {
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    let mut keys = Vec::new();
    let mut objects = vec![&schema];
    objects.extend(schema["$defs"].as_object().unwrap().values());
    for object in objects {
        keys.extend(object["properties"].as_object().into_iter().flat_map(|properties| properties.keys()));
    }
    assert!(keys.len() > 20, "{keys:?}");
    for key in keys {
        let states = |line: &str| {
            let line = line.trim_start_matches("# ");
            line.starts_with(&format!("{key} = "))
                || line == format!("[{key}]")
                || line == format!("[[{key}]]")
                || line == format!("[engine.{key}]")
        };
        assert!(Config::default_text().lines().any(states), "config/default.toml lacks {key}");
    }
}

#[test]
fn the_schema_in_the_repository_is_that_of_the_types() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/schema.json");
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(there == schema(), "config/schema.json is out of date: run `cargo run --bin migd -- docs docs`");
}

#[test]
fn a_repository_may_not_name_programs_to_run() {
    let file = "[engine]\nbin_dir = \"/tmp/evil\"\n";
    let error = Config::load(None, Some(file), &BTreeMap::new()).unwrap_err();
    assert!(error.message().contains("engine.bin_dir"), "{error}");
    assert!(error.help().contains("MIGD_BIN_DIR"));
    assert_eq!(Config::load(Some(file), None, &BTreeMap::new()).unwrap().engine.bin_dir, "/tmp/evil");
}

#[test]
fn a_runners_own_settings_are_flyways() {
    let set = |rest: &str| format!("[[migrations]]\npath = 'db'\n{rest}");
    let config = load(&set("layout = 'flyway'\nsettings = { schemas = 'shop' }\n")).unwrap();
    assert_eq!(config.migrations[0].settings.len(), 1);
    assert!(says(&set("settings = { schemas = 'shop' }\n")).contains("only flyway's sets have settings"));
    let unknown = says(&set("layout = 'flyway'\nsettings = { schemaz = 'shop' }\n"));
    assert!(unknown.contains("flyway has no setting \"schemaz\" that migd reads"), "{unknown}");
}
