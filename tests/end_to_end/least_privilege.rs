//! The function's role allows what the function does, and nothing that it never does.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum};
use sandbox::{KeyStatus, World};

use crate::invariants::assert_at_rest;
use crate::stage::{ACCOUNT, REGION, Stage};

const DAY: Duration = Duration::from_hours(24);

/// The actions that a rendered template allows, in whatever policy of it.
pub(crate) fn allowed_actions(template: &str) -> BTreeSet<String> {
    let words = template.split(|c: char| !c.is_ascii_alphanumeric() && c != ':');
    let prefixes = ["iam:", "kms:", "logs:", "secretsmanager:", "ec2:", "lambda:", "sts:"];
    let actions = words.filter(|word| {
        // An action is `service:Operation`; an ARN goes on with more colons, and a logical name has none.
        prefixes.iter().any(|prefix| word.starts_with(prefix)) && word.matches(':').count() == 1
    });
    // The trust of the role, and conditions.
    let others = [
        "sts:AssumeRole",
        "kms:ViaService",
        "lambda:SourceFunctionArn",
        "iam:ResourceTag",
        "secretsmanager:ResourceTag",
    ];
    actions.filter(|action| !others.contains(action)).map(str::to_owned).collect()
}

/// The actions that the function's role has needed so far, and those among them that it was denied. Lambda asks for
/// those on the network, for the role, while whoever deploys is the caller.
pub(crate) fn needed_actions(world: &mut World) -> (BTreeSet<String>, Vec<String>) {
    let calls = world.calls().iter();
    let checks = calls.flat_map(|call| call.checks.iter().map(|check| (call.principal.as_str(), check.clone())));
    let is_the_roles =
        |(caller, check): &(&str, sandbox::Check)| caller.contains("assumed-role/") || check.action.starts_with("ec2:");
    let checks: Vec<_> = checks.filter(is_the_roles).map(|(_, check)| check).collect();
    let denied = checks.iter().filter(|check| !check.allowed).map(|check| check.action.clone()).collect();
    (checks.into_iter().map(|check| check.action).collect(), denied)
}

/// The actions and resources in the function's policies that could be taken away and nobody would miss them.
pub(crate) fn unneeded(world: &mut World) -> Vec<String> {
    let inventory = world.inventory(ACCOUNT);
    let role = inventory.iter().find_map(|item| item.strip_prefix("role ")).unwrap();
    world.unneeded(&format!("arn:aws:iam::{ACCOUNT}:role/{role}")).unwrap()
}

fn keys_of_alice(world: &mut World) -> Vec<KeyStatus> {
    world.access_keys(ACCOUNT, "alice").iter().map(|key| key.status).collect()
}

/// A key of the customer's for the secrets.
pub(crate) const KMS_KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// A key from before keyturn, secrets under a key of the customer's, a function in a network, two rotations, the
/// retirement of both kinds of old key, sweeps, and a direct invocation: every kind of thing that the function does.
#[tokio::test]
async fn the_role_allows_just_what_the_function_does() {
    let stage = Stage::with_users(&["alice"]).await;
    stage.sandbox.visit(|world| world.create_access_key(ACCOUNT, "alice").unwrap()).await;
    stage.sandbox.visit(World::note_needs).await;
    let network = "{ subnets: [subnet-0123456789abcdef0], security_groups: [sg-0123456789abcdef0] }";
    let options = format!("retire: {{ foreign: retire }}\nkms_key: {KMS_KEY}\nfunction: {{ vpc: {network} }}\n");
    stage.configure(&format!("version: 1\nregion: {REGION}\nusers: [alice]\n{options}"));
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    // The sweeper has deactivated the key from before. The rotation waits until it has deleted it, and is taken up then.
    stage.sandbox.advance(8 * DAY).await;
    stage.rotate_secret("alice").await;
    stage.sandbox.advance(8 * DAY).await;
    assert_eq!(stage.sandbox.visit(keys_of_alice).await, [KeyStatus::Active; 2]);
    stage.sandbox.advance(15 * DAY).await;
    assert_eq!(stage.sandbox.visit(keys_of_alice).await, [KeyStatus::Active]);
    let (failed, answer) = stage.invoke(br#"{"rotate":["alice"]}"#).await;
    assert_eq!((failed, answer), (None, serde_json::json!({ "rotating": ["keyturn/alice"], "failed": {} })));

    stage.sandbox.settle().await;
    stage.sandbox.visit(|world| assert_at_rest(world, "alice")).await;

    let (needed, denied) = stage.sandbox.visit(needed_actions).await;
    assert_eq!(denied, [] as [String; 0]);
    let template = stage.keyturn(&["template", "cell", "--artifact", crate::stage::function().to_str().unwrap()]).await;
    assert_eq!(template.code, 0, "{template}");
    assert_eq!(allowed_actions(&template.stdout), needed);
    assert_eq!(stage.sandbox.visit(unneeded).await, [] as [String; 0]);
    stage.assert_no_secret_left_behind().await;
}

/// Lambda needs the network interfaces, the code in the function does not.
#[tokio::test]
async fn the_code_in_a_network_may_not_touch_its_interfaces() {
    let stage = Stage::with_users(&["alice"]).await;
    let network = "{ subnets: [subnet-0123456789abcdef0], security_groups: [sg-0123456789abcdef0] }";
    stage.configure(&format!("version: 1\nregion: {REGION}\nusers: [alice]\nfunction: {{ vpc: {network} }}\n"));
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    let role = |world: &mut World| {
        let inventory = world.inventory(ACCOUNT);
        let name = inventory.iter().find_map(|item| item.strip_prefix("role ")).unwrap();
        format!("arn:aws:iam::{ACCOUNT}:role/{name}")
    };
    let role = stage.sandbox.visit(role).await;
    let iam = aws_sdk_iam::Client::new(&stage.config());
    let decision = |source: Option<&str>| {
        let asked = iam.simulate_principal_policy().policy_source_arn(&role).action_names("ec2:DeleteNetworkInterface");
        let entry = source.map(|arn| {
            let entry = ContextEntry::builder().context_key_name("lambda:SourceFunctionArn").context_key_values(arn);
            entry.context_key_type(ContextKeyTypeEnum::String).build()
        });
        let asked = asked.set_context_entries(entry.map(|entry| vec![entry])).send();
        async move { asked.await.unwrap().evaluation_results()[0].eval_decision().as_str().to_owned() }
    };
    let function = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:keyturn");
    assert_eq!(decision(None).await, "allowed");
    assert_eq!(decision(Some(&function)).await, "explicitDeny");
    assert_eq!(decision(Some(&format!("{function}-2"))).await, "allowed", "that is another function");
    stage.assert_no_secret_left_behind().await;
}
