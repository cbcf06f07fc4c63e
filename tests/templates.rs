//! Renders the stacks of many configurations, holds them against CloudFormation's limits, and leaves them in
//! `target/rendered-templates`, `target/rendered-for-many`, `target/rendered-central` and
//! `target/rendered-roles` for `.ci/lint-templates` and `.ci/review-templates`; and in `target/rendered-permissions` what
//! a caller must be allowed to do.

#![expect(clippy::expect_used, reason = "what the test calls fails like the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::{
    AccountId, Enrolment, Exempt, ForeignPolicy, InUsePolicy, Region, Rendering, Renderings, UserId, UserName,
};
use installer::config::{Alerts, Architecture, Config, ConfiguredUser, Vpc};
use installer::fleet::Central;
use installer::names::{SecretName, StackName};
use installer::permissions::{On, PERMISSIONS, STACK_SETS, Scope};
use installer::template::{self, BoundUser, CodeLocation, Template};
use serde_json::{Value as Json, json};

/// The largest template that CloudFormation reads, in bytes, and how many resources it may have (quotas).
const LARGEST: usize = 1_000_000;
const RESOURCES: usize = 500;

/// The largest that it takes in a request, in bytes.
const LARGEST_INLINE: usize = 51_200;

/// Names with every character that IAM allows, and some that YAML gives a meaning.
const NAMES: [&str; 3] = ["a+b=c,d.e@f_g-h", "no", "ci-abcdef"];

/// What makes the role of a rollout larger, in the `alerts` and the rest of a fleet's `defaults`.
const CENTRAL: &str = ", central: 'arn:aws:events:eu-central-1:111122223333:event-bus/keyturn-central'";
const EVERYTHING: &str = ", kms_key: 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab', \
    permissions_boundary: 'arn:aws:iam::111122223333:policy/boundary', role_path: /security/, replicas: [eu-west-1], \
    function: { vpc: { subnets: [subnet-0123456789abcdef0], security_groups: [sg-0123456789abcdef0] } }";

type Change = fn(&mut Config);

/// Every option, by the name of its rendering.
const OPTIONS: [(&str, Change); 15] = [
    ("boundary", |config| config.permissions_boundary = Some(arn(config, "iam", "policy/boundary"))),
    ("path", |config| config.role_path = Some("/security/keyturn/".to_owned())),
    ("kms", |config| config.kms_key = Some(arn(config, "kms", "key/1234abcd-12ab-34cd-56ef-1234567890ab"))),
    ("replicas", |config| config.replicas = vec![region("eu-west-1"), region("us-east-1")]),
    ("alerts", |config| {
        let email = (0..10).map(|number| format!("o'brien+{number}@mail.example.org")).collect();
        config.alerts = Alerts { email, topic: Some(arn(config, "sns", "pagers")), dashboard: false, central: None };
    }),
    ("central", |config| config.alerts.central = Some(arn(config, "events", "event-bus/keyturn-central"))),
    ("window", |config| config.schedule.window = Some(3)),
    ("cron", |config| config.schedule.expression = "cron(0 3 ? * SUN#1 *)".to_owned()),
    ("arm64", |config| config.function.architecture = Architecture::Arm64),
    ("bucket", |config| config.artifact_bucket = Some("my-bucket".to_owned())),
    ("sizes", |config| {
        config.function.memory_mib = 10_240;
        config.function.timeout = Duration::from_mins(15);
        config.function.log_retention_days = 3_653;
        config.settings.sweep_every = Duration::from_hours(24);
    }),
    ("policies", |config| {
        config.settings.foreign = ForeignPolicy::Retire;
        config.settings.in_use = InUsePolicy::Deactivate;
        config.settings.deactivate_after = Duration::ZERO;
    }),
    ("names", |config| {
        config.stack = StackName::new("k".repeat(50)).expect("a stack name");
        let name = UserName::new(NAMES[0]).expect("a user name");
        let secret = Some(SecretName::new("x/_+=.@-".repeat(64)).expect("a secret name"));
        config.users = vec![ConfiguredUser { secret, ..ConfiguredUser::named(name) }];
    }),
    ("forms", |config| {
        config.render = Renderings::Exactly(Rendering::ALL.map(|(_, rendering)| rendering).into());
        config.function.secrets = vec!["keyturn/application-3".to_owned(), "keyturn/a+b=c//d.e@f_g-h".to_owned()];
    }),
    ("network", |config| {
        let subnets = vec!["subnet-0123456789abcdef0".to_owned(), "subnet-0123456789abcdef1".to_owned()];
        config.function.vpc = Some(Vpc { subnets, security_groups: vec!["sg-0123456789abcdef0".to_owned()] });
    }),
];

#[test]
fn every_rendering_keeps_the_limits() {
    let directory = directory("rendered-templates");
    for home in ["eu-central-1", "cn-north-1", "us-gov-west-1"] {
        for count in [0, 1, 3, 200] {
            render(&directory, home, "plain", count, &[]);
            render(&directory, home, "everything", count, &OPTIONS.map(|(_, change)| change));
        }
    }
    for (name, change) in OPTIONS {
        render(&directory, "eu-central-1", name, 3, &[change]);
    }
}

/// The template that serves many accounts. CloudFormation takes 51,200 bytes of it in a request, and more from a bucket.
#[test]
fn every_rendering_for_many_accounts_keeps_the_limits() {
    let directory = directory("rendered-for-many");
    let tags = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    let plain = Enrolment {
        path: "/service/".to_owned(),
        tags: tags(&[]),
        exempt: Exempt::default(),
        schedule: "rate(30 days)".to_owned(),
        window: None,
        kms_key: None,
        render: Renderings::AsFound,
    };
    let full = Enrolment {
        path: "/".to_owned(),
        tags: tags(&[("rotate", "*"), ("team", "a: b"), ("no", "1e3")]),
        exempt: Exempt {
            names: NAMES.map(|name| UserName::new(name).expect("a user name")).into(),
            path: Some("/people/".to_owned()),
            tags: tags(&[("keyturn", "never")]),
        },
        schedule: "cron(0 3 ? * SUN#1 *)".to_owned(),
        window: Some(3),
        ..plain.clone()
    };
    for home in ["eu-central-1", "cn-north-1", "us-gov-west-1"] {
        for (name, enrolment, changes) in
            [("plain", &plain, &[][..]), ("full", &full, &OPTIONS.map(|(_, change)| change))]
        {
            let mut config = Config::for_users(region(home), Vec::new()).expect("it is right");
            changes.iter().for_each(|change| change(&mut config));
            let code =
                CodeLocation { bucket: "keyturn-artifacts-111122223333".to_owned(), key: "keyturn/0.zip".to_owned() };
            let template = template::member(&config, enrolment, &code).expect("it can be filled in");
            let text = template.to_text();
            assert!(text.len() < LARGEST_INLINE, "{home} {name} has {} bytes", text.len());
            assert_eq!(Template::parse(&text).expect("it is YAML"), template);
            fs::write(directory.join(format!("{home}-{name}.yaml")), text).expect("it can be written");
        }
    }
}

/// The role by which a rollout enters an account. All inline policies of a role have 10,240 characters at most (IAM quotas).
#[test]
fn the_role_of_a_rollout_keeps_the_limits() {
    let directory = directory("rendered-roles");
    let trusted = AccountId::new("111122223333").expect("an account");
    for (name, users, alerts, more) in [
        ("named", "[ci, mail]", "", ""),
        ("selected", "{ select: { path: /service/ } }", "", ""),
        ("everything", "{ select: { path: /service/ } }", CENTRAL, EVERYTHING),
    ] {
        let file = directory.join(format!("{name}.fleet"));
        let alerts = format!("alerts: {{ email: [a@example.org]{alerts} }}");
        let defaults = format!("defaults: {{ region: eu-central-1, users: {users}, {alerts}{more} }}\n");
        let access = "access: { role: ops/keyturn-rollout, external_id: sesame }\n";
        fs::write(&file, format!("version: 1\nunits: [r-abcd]\n{access}{defaults}")).expect("it can be written");
        let fleet = installer::fleet::read(&file).expect("it is right");
        let template = template::rollout_role(&fleet, &trusted, true).expect("it can be written");
        let role = template.resources().remove("Role").expect("it is there");
        let policies = role.properties["Policies"].to_string();
        assert!(policies.len() < 10_240, "{name} has {} characters", policies.len());
        fs::write(directory.join(format!("{name}.yaml")), template.to_text()).expect("it can be written");
    }
}

/// What `keyturn doctor` asks for, as the policy that would allow it. What a request carries for a condition is beside it.
#[test]
fn what_a_caller_needs_is_left_for_a_review() {
    let directory = directory("rendered-permissions");
    for home in ["eu-central-1", "cn-north-1", "us-gov-west-1"] {
        let mut config = Config::for_users(region(home), Vec::new()).expect("it is right");
        let options = OPTIONS.iter().filter(|(name, _)| *name != "bucket");
        options.for_each(|(_, change)| change(&mut config));
        config.alerts.dashboard = true;
        let boundary = arn(&config, "iam", "policy/boundary");
        let partition = boundary.split(':').nth(1).expect("an ARN").to_owned();
        let scope = Scope {
            partition: &partition,
            account: &AccountId::new("111122223333").expect("an account"),
            config: &config,
            bucket: "keyturn-artifacts-111122223333",
            users: &[arn(&config, "iam", "user/service/ci")],
            secrets: &[SecretName::new("keyturn/ci").expect("a secret name")],
        };
        let mut actions: BTreeMap<On, Vec<&str>> = BTreeMap::new();
        for permission in PERMISSIONS {
            assert!(permission.when.holds(&config), "{} is needed for what is not rendered", permission.action);
            actions.entry(permission.on).or_default().push(permission.action);
        }
        let statement = |(on, actions): (On, Vec<&str>)| {
            let context: Vec<&str> = scope.context(on).into_keys().collect();
            json!({ "Sid": format!("{on:?}"), "Effect": "Allow", "Action": actions, "Resource": scope.arns(on), "Context": context })
        };
        let mut statements: Vec<Json> = actions.into_iter().map(statement).collect();
        let stack_sets = STACK_SETS.map(|(action, _)| action);
        statements.push(json!({ "Sid": "StackSets", "Effect": "Allow", "Action": stack_sets }));
        let policy = json!({ "Version": "2012-10-17", "Statement": statements });
        fs::write(directory.join(format!("{home}.json")), policy.to_string()).expect("it can be written");
    }
}

/// The stack in which the events and alarms of all accounts come together; a request takes it, so it needs no bucket.
#[test]
fn every_rendering_of_the_central_stack_keeps_the_limits() {
    let directory = directory("rendered-central");
    let some = || vec!["team@example.org".to_owned(), "o'brien+1@mail.example.org".to_owned()];
    for (name, emails, topic) in [
        ("nobody", Vec::new(), None),
        ("mails", some(), None),
        ("everybody", some(), Some("arn:aws:sns:eu-central-1:111122223333:pagers".to_owned())),
    ] {
        let central = Central { emails, topic, log_retention_days: 90 };
        let template = template::central("o-abcdefghij", &central).expect("it can be filled in");
        let text = template.to_text();
        assert!(text.len() < LARGEST_INLINE, "{name} has {} bytes", text.len());
        assert_eq!(Template::parse(&text).expect("it is YAML"), template, "{name}");
        fs::write(directory.join(format!("{name}.yaml")), text).expect("it can be written");
    }
}

/// Renders one configuration and checks what CloudFormation would count.
fn render(directory: &Path, home: &str, name: &str, users: usize, changes: &[Change]) {
    let mut config = Config::for_users(region(home), Vec::new()).expect("it is right");
    for change in changes {
        change(&mut config);
    }
    let users: Vec<BoundUser> = (0..users).map(user).collect();
    let bucket = config.artifact_bucket.clone().unwrap_or_else(|| "keyturn-artifacts-111122223333".to_owned());
    let code = CodeLocation { bucket, key: format!("keyturn/{}.zip", "0".repeat(64)) };
    let template = template::cell(&config, &users, &code).expect("the users fit");

    let text = template.to_text();
    let file = format!("{home}-{name}-{}.yaml", users.len());
    assert!(text.len() < LARGEST, "{file} has {} bytes", text.len());
    assert!(template.resources().len() <= RESOURCES, "{file} has {} resources", template.resources().len());
    assert_eq!(Template::parse(&text).expect("it is YAML"), template, "{file}");
    // What is configured is in the partition of the home region; the rest has to find out where it is.
    assert!(home.starts_with("eu-") || !text.contains("arn:aws:"), "{file} names a partition");
    fs::write(directory.join(file), text).expect("it can be written");
}

/// A user; every second one has a path.
fn user(number: usize) -> BoundUser {
    let name = NAMES.get(number).map_or_else(|| format!("application-{number}"), |name| (*name).to_owned());
    let path = if number.is_multiple_of(2) { "" } else { "teams/payments/" };
    BoundUser {
        arn: format!("arn:aws:iam::111122223333:user/{path}{name}"),
        name: UserName::new(name).expect("a user name"),
        id: UserId::new(format!("AIDAEXAMPLE{number:010}")).expect("an id"),
    }
}

fn region(name: &str) -> Region {
    Region::new(name).expect("a region")
}

/// An ARN in the partition of the home region.
fn arn(config: &Config, service: &str, resource: &str) -> String {
    let home = config.region.as_str();
    let partition = match home.split('-').next() {
        Some("cn") => "aws-cn",
        Some("us") if home.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    let home = if service == "iam" { "" } else { home };
    format!("arn:{partition}:{service}:{home}:111122223333:{resource}")
}

/// A directory for renderings, without those of an earlier run.
fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("it can be made");
    directory
}
