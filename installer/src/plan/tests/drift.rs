//! What somebody has changed past CloudFormation, and what is decided about it.

use serde_json::{Value as Json, json};

use super::*;
use crate::aws::drift::{Difference, DifferentValue, Drifted, Fate};
use crate::names::UserResources;
use crate::observe::Drift;

fn drifted(id: &str, kind: &str, fate: Fate) -> Drifted {
    Drifted { logical_id: id.to_owned(), physical_id: format!("{id}-1"), kind: kind.to_owned(), fate }
}

/// A resource whose properties differ in these values: path, expected, actual.
fn changed(expected: Json, actual: Json, values: &[(&str, Json, Json)]) -> Fate {
    let some = |value: &Json| Some(value.clone()).filter(|value| !value.is_null());
    let value = |(path, expected, actual): &(&str, Json, Json)| DifferentValue {
        path: (*path).to_owned(),
        expected: some(expected),
        actual: some(actual),
    };
    Fate::Changed(Difference { expected, actual, values: values.iter().map(value).collect() })
}

fn memory(actual: u32) -> Drifted {
    let properties = |memory: u32| json!({ "MemorySize": memory });
    let values = [("/MemorySize", json!(128), json!(actual))];
    drifted("Function", "AWS::Lambda::Function", changed(properties(128), properties(actual), &values))
}

/// Deployed, and changed like this.
fn observed(config: &Config, resources: Vec<Drifted>) -> Observed {
    let mut observed = bootstrapped(config);
    observed.cells.get_mut(&1).unwrap().drift = Some(Drift { resources, ..Drift::default() });
    observed
}

/// A policy that allows these actions on everything.
fn allowing(actions: &[&str]) -> Json {
    json!({ "PolicyDocument": { "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }] } })
}

#[test]
fn what_was_changed_is_brought_back_value_by_value() {
    let config = config(&["alice"]);
    let path = "/PolicyDocument/Statement/0/Action/1";
    let policy = changed(allowing(&["a"]), allowing(&["a", "b"]), &[(path, Json::Null, json!("b"))]);
    let observed = observed(
        &config,
        vec![
            memory(512),
            drifted("FunctionPolicy", "AWS::IAM::ManagedPolicy", policy),
            drifted("Sweeper", "AWS::Events::Rule", Fate::Deleted),
        ],
    );
    let plan = decide(&config, &observed).unwrap();
    assert!(only_deployment(&plan).reverts_drift());
    insta::assert_snapshot!(plan);
    let json = serde_json::to_value(only_deployment(&plan)).unwrap();
    let change = |id: &str| {
        let changes = json["changes"].as_array().unwrap();
        changes.iter().find(|change| change["logical_id"] == id).unwrap().clone()
    };
    assert_eq!(
        (change("Sweeper")["change"].as_str(), change("Sweeper")["drift"].as_str()),
        (Some("recreate"), Some("deleted"))
    );
    let property = &change("Function")["properties"][0];
    assert_eq!(
        (&property["before"], &property["after"], &property["drifted"]),
        (&json!(512), &json!(128), &json!(true))
    );
    assert_eq!(
        (&change("FunctionPolicy")["broadened"], &change("FunctionPolicy")["broadens"]),
        (&json!(true), &json!(false))
    );
}

#[test]
fn nobody_looks_for_it_unless_asked() {
    let config = config(&["alice"]);
    let mut observed = observed(&config, vec![memory(512)]);
    observed.cells.get_mut(&1).unwrap().drift = None;
    assert_eq!(decide(&config, &observed).unwrap().steps, []);
    observed.cells.get_mut(&1).unwrap().drift = Some(Drift::default());
    assert_eq!(decide(&config, &observed).unwrap().steps, [], "there is none");
}

#[test]
fn a_new_template_is_told_from_what_there_is() {
    let before = config(&["alice"]);
    let mut after = before.clone();
    after.function.memory_mib = 256;
    let plan = decide(&after, &observed(&before, vec![memory(512)])).unwrap();
    let deployment = only_deployment(&plan);
    assert_eq!(deployment.reason, "its template differs, and it was changed past CloudFormation");
    let [change] = deployment.changes.as_slice() else { panic!("{:?}", deployment.changes) };
    let [property] = change.properties.as_slice() else { panic!("{:?}", change.properties) };
    assert_eq!(property.to_string(), "MemorySize: 512 -> 256");
    assert!(property.drifted);
}

#[test]
fn tags_of_others_are_nobodys_to_bring_back() {
    let config = config(&["alice"]);
    let tags = |tags: &[(&str, &str)]| {
        let tags: Vec<Json> = tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        json!({ "Tags": tags })
    };
    let secret = UserResources::of(&config.users[0].name).secret;
    let note = json!({ "Key": "keyturn:key/AKIA", "Value": "superseded=…" });
    let values = [("/Tags/1", Json::Null, note)];
    let notes = changed(
        tags(&[("keyturn:user", "alice")]),
        tags(&[("keyturn:key/AKIA", "…"), ("keyturn:user", "alice")]),
        &values,
    );
    let plan =
        decide(&config, &observed(&config, vec![drifted(&secret, "AWS::SecretsManager::Secret", notes)])).unwrap();
    assert_eq!((plan.steps, plan.remarks), (Vec::new(), Vec::new()));
    let values = [("/Tags/0/Value", json!("alice"), json!("bob"))];
    let renamed = changed(tags(&[("keyturn:user", "alice")]), tags(&[("keyturn:user", "bob")]), &values);
    let plan =
        decide(&config, &observed(&config, vec![drifted(&secret, "AWS::SecretsManager::Secret", renamed)])).unwrap();
    assert_eq!(plan.steps, [], "a reversion could write over the key");
    insta::assert_snapshot!(plan.remarks.join("\n"));
}

#[test]
fn a_secret_value_is_never_shown() {
    let config = config(&["alice"]);
    let secret = UserResources::of(&config.users[0].name).secret;
    let value = |text: &str| json!({ "SecretString": text });
    let values = [("/SecretString", json!("placeholder"), json!("hunter2hunter2"))];
    let fate = changed(value("placeholder"), value("hunter2hunter2"), &values);
    let plan =
        decide(&config, &observed(&config, vec![drifted(&secret, "AWS::SecretsManager::Secret", fate)])).unwrap();
    for text in [plan.to_string(), serde_json::to_string(&plan).unwrap()] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn a_secret_is_in_no_change_set_that_reverts_drift() {
    let before = config(&["alice"]);
    let mut after = before.clone();
    after.kms_key = Some("arn:aws:kms:eu-central-1:111122223333:key/1".to_owned());
    let plan = decide(&after, &observed(&before, vec![memory(512)])).unwrap();
    let deployment = only_deployment(&plan);
    assert!(!deployment.reverts_drift() && deployment.changes.iter().any(|change| change.kind.ends_with("::Secret")));
    assert!(plan.remarks.iter().any(|remark| remark.contains("is left as it is")), "{plan}");
}

#[test]
fn what_cannot_be_brought_back_or_looked_at_is_told() {
    let config = config(&["alice"]);
    let account = |account: &str| json!({ "SourceAccount": account });
    let values = [("/SourceAccount", json!("111122223333"), json!("999999999999"))];
    let permission = changed(account("111122223333"), account("999999999999"), &values);
    let mut observed = observed(
        &config,
        vec![
            drifted("FunctionPermission", "AWS::Lambda::Permission", permission),
            drifted("Role", "AWS::IAM::Role", Fate::Unknown("iam:GetRole is not allowed".to_owned())),
        ],
    );
    let drift = observed.cells.get_mut(&1).unwrap().drift.as_mut().unwrap();
    drift.unchecked = vec![("AlertsPolicy".to_owned(), "AWS::SNS::TopicPolicy".to_owned())];
    drift.failure = Some("Failed to detect drift on resource [Role]".to_owned());
    let plan = decide(&config, &observed).unwrap();
    assert_eq!(plan.steps, []);
    insta::assert_snapshot!(plan.remarks.join("\n"));
}

#[test]
fn a_schedule_that_is_set_again_meets_no_unfinished_rotation() {
    let config = config(&["alice"]);
    let version = |text: &str| VersionToken::new(text.repeat(32)).unwrap();
    let schedule = UserResources::of(&config.users[0].name).rotation;
    let gone = drifted(&schedule, "AWS::SecretsManager::RotationSchedule", Fate::Deleted);
    let mut observed = observed(&config, vec![gone]);
    let secret = observed.users[0].secret.as_mut().unwrap();
    secret.stages = BTreeMap::from([("AWSCURRENT".to_owned(), version("c")), ("AWSPENDING".to_owned(), version("p"))]);
    let arn = secret.arn.clone();
    let steps = decide(&config, &observed).unwrap().steps;
    let [Step::ClearPending { versions, .. }, Step::DeployCell(_)] = steps.as_slice() else { panic!("{steps:?}") };
    assert_eq!(*versions, BTreeMap::from([(arn, version("p"))]));
}

#[test]
fn a_secret_that_is_gone_is_made_anew_only_when_that_is_asked_for() {
    let config = config(&["alice"]);
    let secret = UserResources::of(&config.users[0].name).secret;
    let refusals = |observed: &Observed| match decide(&config, observed) {
        Err(PlanError::Refused(Refusals(refusals))) => refusals,
        other => panic!("{other:?}"),
    };
    let mut observed = observed(&config, vec![]);
    observed.users[0].secret = None;
    assert!(matches!(refusals(&observed).as_slice(), [Refusal::LostSecret { .. }]), "it is not known to be gone");
    observed.cells.get_mut(&1).unwrap().drift = None;
    assert!(matches!(refusals(&observed).as_slice(), [Refusal::LostSecret { .. }]), "nobody has looked");
    let gone = drifted(&secret, "AWS::SecretsManager::Secret", Fate::Deleted);
    observed.cells.get_mut(&1).unwrap().drift = Some(Drift { resources: vec![gone], ..Drift::default() });
    let plan = decide(&config, &observed).unwrap();
    insta::assert_snapshot!(plan);
    assert_eq!(plan.users[0].kind, Kind::LostSecret);
    // With both places taken, nobody can tell which of the keys applications still have.
    observed.users[0].keys.push(key(8, KeyStatus::Active, 400));
    assert!(matches!(refusals(&observed).as_slice(), [Refusal::TwoKeys { .. }]));
    // Another secret has the name by now.
    observed.users[0].secret = Some(secret_of(&observed.users[0]));
    assert!(matches!(refusals(&observed).as_slice(), [Refusal::OtherSecret { .. }]));
}

#[test]
fn a_secret_under_a_new_name_is_not_taken_for_lost() {
    let before = config(&["alice"]);
    let mut after = before.clone();
    after.users[0].secret = Some(SecretName::new("prod/alice").unwrap());
    let mut observed = bootstrapped(&before);
    observed.users[0] =
        ObservedUser { secret_name: SecretName::new("prod/alice").unwrap(), ..found(&after.users[0].name) };
    assert!(decide(&after, &observed).is_ok());
}
