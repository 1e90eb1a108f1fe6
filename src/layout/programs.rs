//! Migrations that are programs, or whose order only their tool knows: they are no sets, and are told by name, so that nobody
//! thinks they are judged.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::folders::is_vendored;

/// A tool whose migrations are not SQL files in an order of their own.
struct Tool {
    name: &'static str,
    /// What they are written in.
    language: &'static str,
    /// The path of one of them, with the folder in front as a group.
    file: &'static str,
    /// The name of a file that tells it from others whose migrations are named alike.
    sign: Option<&'static str>,
    /// The word that each of its files has, where others are named like them.
    word: Option<&'static str>,
    /// The command that prints their SQL. From the tool's own documentation.
    prints: Option<&'static str>,
}

const fn tool(
    name: &'static str,
    language: &'static str,
    file: &'static str,
    sign: Option<&'static str>,
    prints: Option<&'static str>,
) -> Tool {
    Tool { name, language, file, sign, word: None, prints }
}

impl Tool {
    const fn with_word(self, word: &'static str) -> Tool {
        Tool { word: Some(word), ..self }
    }
}

/// The first that fits is the one.
const TOOLS: &[Tool] = &[
    tool("Active Record", "Ruby", r"^(.*/)?db/migrate/\d{14}_\w+\.rb$", None, None),
    tool("Alembic", "Python", r"^(.*/)?versions/[^/]+\.py$", Some("alembic.ini"), Some("alembic upgrade head --sql")),
    tool(
        "Django",
        "Python",
        r"^(.*/)?migrations/\d{4}_\w+\.py$",
        Some("manage.py"),
        Some("manage.py sqlmigrate APP NAME"),
    ),
    tool("Ecto", "Elixir", r"^(.*/)?priv/[^/]+/migrations/\d{14}_\w+\.exs$", None, None),
    tool(
        "Laravel",
        "PHP",
        r"^(.*/)?database/migrations/\d{4}_\d\d_\d\d_\d{6}_\w+\.php$",
        None,
        Some("artisan migrate --pretend"),
    ),
    tool(
        "Doctrine",
        "PHP",
        r"^(.*/)?[Mm]igrations/Version\d{14}\.php$",
        None,
        Some("doctrine:migrations:migrate --write-sql"),
    ),
    tool(
        "Entity Framework",
        "C#",
        r"^(.*/)?Migrations/\d{14}_\w+\.cs$",
        None,
        Some("dotnet ef migrations script --idempotent"),
    ),
    tool("SeaORM", "Rust", r"^(.*/)?src/m\d{8}_\d{6}_\w+\.rs$", None, None),
    tool(
        "Liquibase",
        "change logs",
        r"^(.*/)?(?:[\w.-]*changelog[\w.-]*|changelogs?/[^/]+)\.(?:xml|ya?ml|json)$",
        None,
        Some("liquibase update-sql"),
    )
    .with_word("databaseChangeLog"),
    tool("Sqitch", "SQL, in the order of its plan", r"^(.*/)?sqitch\.plan$", None, None),
    tool("a Node.js runner", "JavaScript", r"^(.*/)?migrations?/\d{8,}[-_.][^/]+\.(?:[cm]?js)$", None, None),
    tool("a Node.js runner", "TypeScript", r"^(.*/)?migrations?/\d{8,}[-_.][^/]+\.[cm]?ts$", None, None),
];

/// A folder of migrations that are not judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// Relative to the repository.
    pub folder: String,
    files: usize,
    name: &'static str,
    language: &'static str,
    prints: Option<&'static str>,
}

impl Programs {
    /// What is there.
    pub fn what(&self) -> String {
        let Programs { folder, files, name, language, .. } = self;
        let folder = if folder.is_empty() { "this folder" } else { folder };
        let several = if *files == 1 { "a file".to_owned() } else { format!("{files} files") };
        format!("{folder} has {several} of {name}'s ({language}), which migd does not run")
    }

    /// What can be done about it.
    pub fn help(&self) -> String {
        match self.prints {
            Some(prints) => format!(
                "migd judges migrations that are SQL: what `{prints}` prints can be the files of a set (`layout = \"plain\"`)"
            ),
            None => "migd judges migrations that are SQL: keep their SQL in files of a set (`layout = \"plain\"`)"
                .to_owned(),
        }
    }
}

/// So many files of one tool are looked into at most, for its word.
const LOOKED: usize = 64;

/// The folders of such migrations among `paths`, those with most files first. `read` reads a file by its path.
pub fn programs(paths: &[String], read: &dyn Fn(&str) -> Option<Vec<u8>>) -> Vec<Programs> {
    static FILES: LazyLock<Vec<Option<Regex>>> =
        LazyLock::new(|| TOOLS.iter().map(|tool| Regex::new(tool.file).ok()).collect());
    let has = |sign: &str| paths.iter().any(|path| path.rsplit('/').next() == Some(sign));
    let known: Vec<(&Tool, &Regex)> = TOOLS
        .iter()
        .zip(FILES.iter())
        .filter_map(|(tool, file)| Some((tool, file.as_ref()?)))
        .filter(|(tool, _)| tool.sign.is_none_or(has))
        .collect();
    let (mut found, mut looked): (BTreeMap<&str, Programs>, usize) = Default::default();
    for path in paths.iter().filter(|path| !path.split('/').any(is_vendored)) {
        let Some((tool, _)) = known.iter().find(|(_, file)| file.is_match(path)) else { continue };
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if let Some(word) = tool.word.filter(|_| !found.contains_key(folder)) {
            looked += 1;
            let says = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).contains(word);
            if looked > LOOKED || !read(path).is_some_and(says) {
                continue;
            }
        }
        let new = || Programs {
            folder: folder.to_owned(),
            files: 0,
            name: tool.name,
            language: tool.language,
            prints: tool.prints,
        };
        found.entry(folder).or_insert_with(new).files += 1;
    }
    let mut found: Vec<Programs> = found.into_values().collect();
    found.sort_by_key(|programs| Reverse(programs.files));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(paths: &[&str]) -> Vec<(String, &'static str)> {
        told_of(paths, "databaseChangeLog:")
    }

    fn told_of(paths: &[&str], text: &str) -> Vec<(String, &'static str)> {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let read = |_: &str| Some(text.as_bytes().to_vec());
        programs(&paths, &read).into_iter().map(|programs| (programs.folder, programs.name)).collect()
    }

    #[test]
    fn each_tool_is_known_by_its_files() {
        for (path, name) in [
            ("db/migrate/20240101000000_create_users.rb", "Active Record"),
            ("priv/repo/migrations/20240101000000_users.exs", "Ecto"),
            ("app/database/migrations/2024_01_01_000000_users.php", "Laravel"),
            ("migrations/Version20240101000000.php", "Doctrine"),
            ("src/Shop/Migrations/20240101000000_Init.cs", "Entity Framework"),
            ("migration/src/m20220101_000001_create_table.rs", "SeaORM"),
            ("src/main/resources/db/changelog/db.changelog-master.yaml", "Liquibase"),
            ("db/changelog/users.xml", "Liquibase"),
            ("sqitch.plan", "Sqitch"),
            ("src/migrations/1700000000000-Init.ts", "a Node.js runner"),
            ("migrations/20240101120000_users.js", "a Node.js runner"),
        ] {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            assert_eq!(told(&[path]), [(folder.to_owned(), name)], "{path}");
        }
    }

    #[test]
    fn files_that_are_named_like_others_need_a_sign() {
        assert_eq!(told(&["shop/migrations/0001_initial.py"]), []);
        let found = told(&["manage.py", "shop/migrations/0001_initial.py", "shop/migrations/0002_more.py"]);
        assert_eq!(found, [("shop/migrations".to_owned(), "Django")]);
        let found = told(&["api/alembic.ini", "api/alembic/versions/3f2_users.py", "docs/versions/1.md"]);
        assert_eq!(found, [("api/alembic/versions".to_owned(), "Alembic")]);
    }

    #[test]
    fn other_peoples_files_and_other_files_are_none() {
        assert_eq!(
            told(&["node_modules/x/migrations/20240101120000_a.js", "db/migrate/readme.rb", "src/changelog.md"]),
            []
        );
    }

    #[test]
    fn what_changed_in_a_release_is_no_change_log_of_liquibases() {
        for path in [".github/workflows/changelog.yml", "changelogs/fix.yml", "tables/activity_changelog.yaml"] {
            assert_eq!(told_of(&[path], "name: Changelog\non: push\n"), [], "{path}");
            assert_eq!(told(&[path]).len(), 1, "{path}");
        }
    }

    #[test]
    fn the_fullest_folder_comes_first() {
        let found = told(&[
            "a/db/migrate/20240101000000_one.rb",
            "b/db/migrate/20240101000000_one.rb",
            "b/db/migrate/20240102000000_two.rb",
        ]);
        assert_eq!(
            found.iter().map(|(folder, _)| folder.as_str()).collect::<Vec<_>>(),
            ["b/db/migrate", "a/db/migrate"]
        );
    }
}
