//! Every field read, and the exact message for everything that can be wrong with one.

use contract::{ForeignPolicy, InUsePolicy};

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn read_text(text: &str) -> Result<Config, ConfigError> {
    parse(Path::new("keyturn.yaml"), text)
}

/// Wrong lines of a configuration, `---`, the error and its hint; between the cases, `===`.
const WRONG: &str = include_str!("wrong.txt");

/// The error of a configuration that is right but for these lines, and its hint.
fn error(lines: &str) -> String {
    let head = "version: 1\nregion: eu-central-1\n";
    let users = if lines.contains("users:") { "" } else { "users: [alice]\n" };
    let error = read_text(&format!("{head}{users}{lines}\n")).expect_err(lines);
    format!("{error}\n  {}", error.hint())
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_file() {
    let text = "version: 1\nregion: eu-central-1\nusers: [alice]\n";
    let path = std::path::Path::new("keyturn.yaml");
    let marked = super::parse(path, &format!("\u{feff}{text}")).unwrap();
    assert_eq!(marked, super::parse(path, text).unwrap());
}

#[test]
fn the_shortest_file_has_all_the_defaults() {
    let config = read_text("version: 1\nregion: eu-central-1\nusers: [alice, bob]\n").expect("it is right");
    let names = ["alice", "bob"].map(|name| UserName::new(name).expect("a name"));
    let region = Region::new("eu-central-1").expect("a region");
    let named = Config::for_users(region, names.to_vec()).expect("it is right");
    assert_eq!(config, Config { users_are_arguments: false, ..named });
    assert_eq!(config.stack.as_str(), "keyturn");
    assert_eq!(config.schedule, Schedule { expression: "rate(30 days)".to_owned(), window: None });
    assert_eq!(
        config.settings,
        Settings {
            timeout: Duration::from_secs(120),
            lease: Settings::shortest_lease(Duration::from_secs(120)),
            interval: 30 * DAY,
            deactivate_after: 7 * DAY,
            delete_after: 7 * DAY,
            quiet: DAY,
            sweep_every: Duration::from_secs(3_600),
            max_key_age: 90 * DAY,
            foreign: ForeignPolicy::Refuse,
            in_use: InUsePolicy::Wait,
        }
    );
    assert_eq!(config.function, FunctionConfig::default());
    assert_eq!((config.function.memory_mib, config.function.log_retention_days), (128, 90));
}

#[test]
fn every_field_is_read() {
    let config = read_text(EVERYTHING).expect("it is right");
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(config.account.as_ref().map(AccountId::as_str), Some("111122223333"));
    assert_eq!(config.region.as_str(), "cn-north-1");
    assert_eq!(config.stack.as_str(), "keys");
    let users: Vec<_> = config.users.iter().map(|user| config.secret_name(&user.name).to_string()).collect();
    assert_eq!(users, ["keyturn/alice", "my/own/name", "keyturn/carol"]);
    let renderings = config.users.iter().map(|user| config.renderings(&user.name).to_tag());
    assert_eq!(renderings.collect::<Vec<_>>(), [text("environment"), text("smtp credentials-file"), text("none")]);
    assert_eq!(config.schedule, Schedule { expression: "cron(0 3 1 * ? *)".to_owned(), window: Some(3) });
    assert_eq!(
        config.settings,
        Settings {
            timeout: Duration::from_secs(300),
            lease: Settings::shortest_lease(Duration::from_secs(300)),
            interval: 28 * DAY,
            deactivate_after: 3 * DAY,
            delete_after: 4 * DAY,
            quiet: 2 * DAY,
            sweep_every: Duration::from_secs(1_800),
            max_key_age: 60 * DAY,
            foreign: ForeignPolicy::Retire,
            in_use: InUsePolicy::Deactivate,
        }
    );
    let vpc = Vpc { subnets: vec!["subnet-0a".to_owned()], security_groups: vec!["sg-0b".to_owned()] };
    assert_eq!(
        config.function,
        FunctionConfig {
            memory_mib: 256,
            timeout: Duration::from_secs(300),
            architecture: Architecture::Arm64,
            log_retention_days: 365,
            secrets: vec!["my/own/name".to_owned()],
            vpc: Some(vpc),
        }
    );
    assert_eq!(config.artifact_bucket, text("my-bucket"));
    assert_eq!(config.permissions_boundary, text("arn:aws-cn:iam::111122223333:policy/boundary"));
    assert_eq!(config.role_path, text("/keyturn/"));
    assert_eq!(config.kms_key, text("arn:aws-cn:kms:cn-north-1:111122223333:key/1234abcd"));
    assert_eq!(config.replicas, [Region::new("cn-northwest-1").expect("a region")]);
    let email = vec!["team@example.org".to_owned(), "o'brien+aws@mail.example.org".to_owned()];
    let topic = text("arn:aws-cn:sns:cn-north-1:111122223333:pagers");
    let central = text("arn:aws-cn:events:cn-northwest-1:444455556666:event-bus/keyturn-central");
    assert_eq!(config.alerts, Alerts { email, topic, dashboard: false, central });
    assert_eq!(config.tags, BTreeMap::from([("cost center".to_owned(), "1234".to_owned())]));
}

pub(super) const EVERYTHING: &str = r#"
version: 1
account: "111122223333"
region: cn-north-1
stack: keys
users:
  - alice
  - name: bob
    secret: my/own/name
    render: [credentials-file, smtp]
  - name: carol
    render: []
render: [environment]
schedule: { cron: "0 3 1 * ? *", window: 3h }
retire: { deactivate_after: 3d, quiet: 2d, sweep_every: 30m, delete_after: 4d, max_key_age: 60d, foreign: retire, in_use: deactivate }
function:
  memory: 256
  timeout: 5m
  architecture: arm64
  log_retention: 365d
  secrets: [my/own/name]
  vpc: { subnets: [subnet-0a], security_groups: [sg-0b] }
artifact_bucket: my-bucket
permissions_boundary: arn:aws-cn:iam::111122223333:policy/boundary
role_path: /keyturn/
kms_key: arn:aws-cn:kms:cn-north-1:111122223333:key/1234abcd
replicas: [cn-northwest-1]
alerts:
  email: [team@example.org, o'brien+aws@mail.example.org]
  topic: arn:aws-cn:sns:cn-north-1:111122223333:pagers
  dashboard: false
  central: arn:aws-cn:events:cn-northwest-1:444455556666:event-bus/keyturn-central
tags: { cost center: "1234" }
"#;

#[test]
fn wrong_values_are_named_with_their_line() {
    for case in WRONG.split("\n===\n") {
        let (lines, expected) = case.split_once("\n---\n").expect("a case has two parts");
        assert_eq!(error(lines), expected.trim_end(), "{lines}");
    }
}

#[test]
fn wrong_documents_are_explained() {
    let error = |text| {
        let error = read_text(text).expect_err("it is wrong");
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{error}{cause}")
    };
    assert_eq!(error(""), "keyturn.yaml: the configuration is empty, not a mapping of fields");
    assert_eq!(error("- a"), "keyturn.yaml: the configuration is a list, not a mapping of fields");
    assert_eq!(error("users: []"), "keyturn.yaml: `version` is missing");
    assert_eq!(error("version: 2"), "keyturn.yaml:1: `version` is 2, and this keyturn reads version 1");
    assert_eq!(
        error("version: 1\nregion: x y"),
        "keyturn.yaml:2: `region` cannot be used: `x y` is not an AWS region such as `eu-central-1`"
    );
    assert_eq!(error("version: 1\nregion: eu-central-1"), "keyturn.yaml: `users` is missing");
    assert_eq!(
        error("version: 1\n users: ["),
        "`keyturn.yaml` is not valid YAML: mapping values are not allowed in this context at line 2 column 7"
    );
    assert_eq!(
        error("version: 1\nusers: []\nusers: []"),
        "`keyturn.yaml` is not valid YAML: duplicate entry with key \"users\""
    );
    assert_eq!(
        error("a\tb\x1b: !!int"),
        "`keyturn.yaml` is not valid YAML: control characters are not allowed at position 3"
    );
    assert_eq!(
        error("a\tb: !!int"),
        "`keyturn.yaml` is not valid YAML: a\\tb: invalid value: string \"\", expected an integer at line 1 column 6"
    );
    let long = error(&format!("{}: !!int", "a".repeat(500)));
    assert!(long.len() < 400 && long.contains("aaaa … ") && long.ends_with(" at line 1 column 503"), "{long}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = read(Path::new("absent/keyturn.yaml")).expect_err("there is no such file");
    assert_eq!(error.to_string(), "cannot read `absent/keyturn.yaml`");
}

#[test]
fn users_on_the_command_line_are_checked_too() {
    let names = ["alice", "Alice"].map(|name| UserName::new(name).expect("a name"));
    let region = Region::new("eu-central-1").expect("a region");
    let error = Config::for_users(region, names.to_vec()).expect_err("it is the same user");
    assert_eq!(error.to_string(), "the command line: `users[1]` is `Alice`, the same user as `users[0]`");
}

#[test]
fn an_account_has_5000_users() {
    let names = |count: usize| (0..count).map(|number| format!("\n  - user{number}")).collect::<String>();
    assert!(read_text(&format!("version: 1\nregion: eu-central-1\nusers:{}\n", names(5_000))).is_ok());
    assert_eq!(
        error(&format!("users:{}", names(5_001))),
        "keyturn.yaml:3: `users` has 5001 entries, and an account has 5,000 IAM users at most\n  give each account a configuration of its own"
    );
}
