//! Flyway's settings, where they are stated, and the sets that they make.

use super::*;

fn given(vars: &[(&str, &str)], settings: &[(&str, &str)]) -> Given {
    let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    Given { vars: map(vars), settings: map(settings) }
}

/// The sets that are found, with what is passed over.
fn look(files: &[(&str, &str)]) -> (Vec<Found>, Vec<Passed>) {
    let paths: Vec<String> = files.iter().map(|(path, _)| (*path).to_owned()).collect();
    let read = |path: &str| files.iter().find(|(p, _)| *p == path).map(|(_, text)| text.as_bytes().to_vec());
    survey(&paths, &read)
}

fn pairs(map: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    map.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect()
}

#[test]
fn the_configuration_knows_the_settings_that_the_layout_reads() {
    let names: Vec<&str> = crate::layout::flyway::DEFAULTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, crate::config::FLYWAY_SETTINGS);
}

#[test]
fn prefixes_separator_and_suffixes_are_the_settings() {
    let flyway = by_name("flyway").unwrap();
    let files = tree(&[
        ("20220803121537__a.sql", "SELECT 1"),
        ("R__b.sql", "SELECT 1"),
        ("20220803121538__c.SQL", "SELECT 1"),
        ("V9__d.java", ""),
        ("notes.sql", ""),
    ]);
    let chain = flyway.plan_with("m", &files, &given(&[], &[("sqlMigrationPrefix", "")]));
    assert_eq!(order(&chain), ["9 d", "20220803121537 a", "20220803121538 c", "R__b b"]);
    assert_eq!(findings(&chain), ["history.naming m/notes.sql"]);
    assert!(chain.findings[0].message.contains("<version>__<description>.sql"), "{}", chain.findings[0].message);

    let files = tree(&[("M-1--a.pgsql", "SELECT 1"), ("RRR--b.pgsql", "SELECT 1"), ("V1__a.sql", "SELECT 1")]);
    let settings = [
        ("sqlMigrationPrefix", "M-"),
        ("repeatableSqlMigrationPrefix", "RRR"),
        ("sqlMigrationSeparator", "--"),
        ("sqlMigrationSuffixes", ".sql,.pgsql"),
    ];
    let chain = flyway.plan_with("m", &files, &given(&[], &settings));
    assert_eq!(order(&chain), ["1 a", "R__b b"]);
}

#[test]
fn placeholders_have_the_marks_of_the_settings_and_names_in_any_case() {
    let flyway = by_name("flyway").unwrap();
    let files = tree(&[("V1__a.sql", "CREATE ROLE #[UserName]; -- ${x} #[flyway:defaultSchema]")]);
    let marks = [("placeholderPrefix", "#["), ("placeholderSuffix", "]"), ("schemas", "shop,log")];
    let chain = flyway.plan_with("m", &files, &given(&[("username", "app")], &marks));
    assert_eq!(&*chain.migrations[0].up.text, "CREATE ROLE app; -- ${x} shop");

    let chain = flyway.plan_with("m", &files, &given(&[], &marks));
    assert_eq!(findings(&chain), ["config.placeholder m/V1__a.sql"]);
    assert_eq!((chain.findings[0].column, chain.findings[0].end_column), (Some(13), Some(24)));
    assert!(chain.findings[0].help.as_ref().unwrap().contains("vars = { UserName ="));

    let off = given(&[], &[("placeholderReplacement", "false")]);
    let chain = flyway.plan_with("m", &tree(&[("V1__a.sql", "SELECT '${x}'")]), &off);
    assert_eq!(&*chain.migrations[0].up.text, "SELECT '${x}'");
    let files = tree(&[("V1__a.sql", "SELECT '${x}'"), ("V1__a.sql.conf", "placeholderReplacement=false")]);
    assert_eq!(findings(&flyway.plan_with("m", &files, &Given::default())), [""; 0]);
}

#[test]
fn files_may_be_mixed_where_the_settings_say_so() {
    let files = tree(&[("V1__a.sql", "ALTER TABLE t ADD b int;\nCREATE INDEX CONCURRENTLY i ON t (a);")]);
    let flyway = by_name("flyway").unwrap();
    assert_eq!(findings(&flyway.plan_with("m", &files, &Given::default())), ["apply.format m/V1__a.sql"]);
    assert_eq!(findings(&flyway.plan_with("m", &files, &given(&[], &[("mixed", "true")]))), [""; 0]);
}

#[test]
fn schemas_are_made_and_the_default_one_is_first() {
    let setup = |settings: &[(&str, &str)]| by_name("flyway").unwrap().setup(&given(&[], settings).settings);
    assert_eq!(setup(&[]), None);
    assert_eq!(setup(&[("schemas", "public")]), None);
    let both = setup(&[("schemas", "shop, \"Log\"")]).unwrap_or_default();
    assert!(both.starts_with("CREATE SCHEMA IF NOT EXISTS shop;\n"), "{both}");
    let one = setup(&[("defaultSchema", "Shop's"), ("createSchemas", "false")]).unwrap();
    assert!(!one.contains("CREATE SCHEMA") && one.contains("|| '\"Shop''s\"' ||"), "{one}");
}

const SET: (&str, &str) = ("app/src/main/resources/db/migration/V1__a.sql", "SELECT 1");

#[test]
fn what_the_repository_states_is_the_sets() {
    let yaml = "spring:\n  flyway:\n    placeholder-prefix: '#['\n    placeholderSuffix: ]\n    schemas: [shop]\n    \
                placeholders:\n      role: ${DB_ROLE:app} # the owner's\n      secret: ${DB_SECRET}\n      \"quoted.name\": \"x # y\"\n\
                ---\nspring:\n  config.activate.on-profile: dev\n  flyway.schemas: dev\n";
    let properties = "spring.flyway.placeholder-prefix=#[\nspring.flyway.placeholderSuffix=]\nspring.flyway.schemas=shop\n\
                      spring.flyway.placeholders.role=app\nspring.flyway.placeholders.quoted.name=x # y\n";
    let conf = properties.replace("spring.", "").replace("placeholder-prefix", "placeholderPrefix");
    let toml = "[flyway]\nplaceholderPrefix = '#['\nplaceholderSuffix = ']'\nschemas = ['shop']\n\
                [flyway.placeholders]\nrole = 'app'\n'quoted.name' = 'x # y'\n";
    let gradle = "plugins { id 'org.flywaydb.flyway' }\nflyway {\n  url = \"jdbc:${x}\"\n  placeholderPrefix = '#['\n  \
                  placeholderSuffix = ']'\n  schemas = ['shop']\n  placeholders = [\n    'role': 'app',\n    'quoted.name': 'x # y',\n\
                  'other': \"${secret}\"\n  ]\n}\n";
    let kotlin = "flyway {\n  placeholderPrefix = \"#[\"\n  placeholderSuffix = \"]\"\n  schemas = arrayOf(\"shop\")\n  \
                  placeholders = mapOf(\"role\" to \"app\", \"quoted.name\" to \"x # y\")\n}\n";
    let maven = "<project><properties><role>app</role></properties><build><plugins><plugin>\
                 <artifactId>flyway-maven-plugin</artifactId><configuration><placeholderPrefix>#[</placeholderPrefix>\
                 <placeholderSuffix>]</placeholderSuffix><schemas><schema>shop</schema></schemas><placeholders>\
                 <role>${role}</role><quoted.name>x # y</quoted.name></placeholders></configuration></plugin></plugins></build></project>";
    for (name, text) in [
        ("app/src/main/resources/application.yml", yaml),
        ("app/src/main/resources/application.properties", properties),
        ("app/flyway.conf", conf.as_str()),
        ("app/flyway.toml", toml),
        ("app/build.gradle", gradle),
        ("app/build.gradle.kts", kotlin),
        ("app/pom.xml", maven),
    ] {
        let (found, _) = look(&[SET, (name, text)]);
        let [set] = &found[..] else { panic!("{name}: {found:?}") };
        assert_eq!(pairs(&set.given.vars), [("quoted.name", "x # y"), ("role", "app")], "{name}");
        let settings = [("placeholderPrefix", "#["), ("placeholderSuffix", "]"), ("schemas", "shop")];
        assert_eq!(pairs(&set.given.settings), settings, "{name}");
    }
}

#[test]
fn a_file_states_what_is_not_the_default_and_the_stronger_file_wins() {
    let conf =
        "flyway.sqlMigrationPrefix=V\nflyway.schemas=public\nflyway.table=history\nflyway.sqlMigrationSuffixes=.sql\n";
    let gradle = "flyway { \n table = 'other'\n defaultSchema = 'shop'\n }";
    let (found, _) = look(&[SET, ("app/flyway.conf", conf), ("app/build.gradle", gradle)]);
    assert_eq!(pairs(&found[0].given.settings), [("defaultSchema", "shop"), ("table", "history")]);
}

#[test]
fn two_locations_with_schemas_of_their_own_are_two_sets() {
    let execution = |name: &str| {
        format!(
            "<execution><configuration><locations><location>filesystem:src/main/resources/db/migration/{name}</location>\
             </locations><schemas><schema>{name}</schema></schemas><placeholders><my>{name}</my></placeholders>\
             </configuration></execution>"
        )
    };
    let pom = format!(
        "<project><build><plugins><plugin><artifactId>flyway-maven-plugin</artifactId><executions>{}{}</executions></plugin>\
         </plugins></build></project>",
        execution("ext"),
        execution("ehr")
    );
    let files = [
        ("create.sql", "SELECT 1"),
        ("pg/pom.xml", pom.as_str()),
        ("pg/src/main/resources/db/migration/ehr/V1__a.sql", "SELECT 1"),
        ("pg/src/main/resources/db/migration/ehr/V2__b.sql", "SELECT 1"),
        ("pg/src/main/resources/db/migration/ext/V1__c.sql", "SELECT 1"),
    ];
    let (found, _) = look(&files);
    let sets: Vec<_> = found.iter().map(|set| (&set.path[35..], pairs(&set.given.settings))).collect();
    assert_eq!(sets, [("ehr", vec![("schemas", "ehr")]), ("ext", vec![("schemas", "ext")])]);
    assert_eq!(pairs(&found[1].given.vars), [("my", "ext")]);

    let (found, _) = look(&[&files[..1], &files[2..]].concat());
    let paths: Vec<_> = found.iter().map(|set| &set.path[35..]).collect();
    assert_eq!(paths, ["ehr", "ext"], "one version is in both: they are no chain");
}

#[test]
fn a_prefix_of_its_own_makes_flyways_set_of_what_looks_like_anothers() {
    let resources = "src/main/resources/db/migration";
    let file = |name: &str| format!("{resources}/{name}");
    let (all, but, dev, other) = (
        file("all/20220803121537__a.sql"),
        file("all-but/20230803121537__b.sql"),
        file("dev+test/20240803121537__c.sql"),
        file("integration/20230803121537__b.sql"),
    );
    let yaml = "spring:\n  profiles:\n    group:\n      test:\n        - out\n  flyway:\n    sql-migration-prefix: \"\"\n    \
                locations: classpath:db/migration/all,classpath:db/migration/all-but\n";
    let files = [
        ("build.gradle.kts", "implementation(\"org.springframework.boot:spring-boot-starter-flyway\")"),
        ("src/main/resources/application.yml", yaml),
        (all.as_str(), "SELECT 1"),
        (but.as_str(), "SELECT 1"),
        (dev.as_str(), "SELECT 1"),
        (other.as_str(), "SELECT 1"),
    ];
    let (found, passed) = look(&files);
    let [set] = &found[..] else { panic!("{found:?}") };
    assert_eq!(
        (set.layout.name(), set.path.as_str(), &set.locations[..]),
        ("flyway", &file("all")[..], &[file("all-but")][..])
    );
    assert_eq!(pairs(&set.given.settings), [("sqlMigrationPrefix", "")]);
    let passed: Vec<_> =
        passed.iter().map(|passed| format!("{}: {}", &passed.path[resources.len() + 1..], passed.why)).collect();
    let why = "src/main/resources/application.yml names the folders beside it, and not this one";
    assert_eq!(passed, [format!("dev+test: {why}"), format!("integration: {why}")]);
}

#[test]
fn a_prefix_of_its_own_is_stated_of_the_folder_where_flyway_looks_by_itself() {
    let file = "src/main/resources/db/migration/20170208084607951__initial_schema.sql";
    for (config, text) in [
        (
            "src/main/resources/application.properties",
            "spring.flyway.schemas=shop\nspring.flyway.sql-migration-prefix=\n",
        ),
        ("build.gradle", "flyway {\n    schemas = ['shop']\n    sqlMigrationPrefix = ''\n}\n"),
    ] {
        let (found, _) = look(&[(file, "SELECT 1"), (config, text)]);
        let [set] = &found[..] else { panic!("{config}: {found:?}") };
        assert_eq!((set.layout.name(), set.path.as_str()), ("flyway", "src/main/resources/db/migration"), "{config}");
        assert_eq!(pairs(&set.given.settings), [("schemas", "shop"), ("sqlMigrationPrefix", "")], "{config}");
    }
    let unfit = "spring.flyway.sql-migration-prefix=M\n";
    let (found, _) = look(&[(file, "SELECT 1"), ("src/main/resources/application.properties", unfit)]);
    assert_eq!(found.iter().map(|set| set.layout.name()).collect::<Vec<_>>(), ["plain"], "no file is named so");
}

#[test]
fn files_far_below_make_no_set_of_a_folder_that_has_others() {
    let (found, _) =
        look(&[("schema.sql", ""), ("pom.xml", "flyway"), ("a/sql/V1__a.sql", ""), ("b/sql/V1__a.sql", "")]);
    let paths: Vec<_> = found.iter().map(|set| set.path.as_str()).collect();
    assert_eq!(paths, ["a/sql", "b/sql"]);
}
