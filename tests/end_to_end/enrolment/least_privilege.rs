//! The role of a function that finds its users itself allows what the function does, and reaches nobody else's.

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum};
use sandbox::{KeyStatus, World};

use super::{DAY, Member, enrolment};
use crate::least_privilege::{KMS_KEY, allowed_actions, needed_actions, unneeded};
use crate::stage::{ACCOUNT, REGION};

/// Somebody joins, is rotated twice, has the old keys retired, leaves and comes back.
#[tokio::test]
async fn the_role_allows_just_what_the_function_does_for_users_it_finds() {
    let member = Member::deployed(enrolment(), Some(KMS_KEY)).await;
    member.stage.sandbox.visit(World::note_needs).await;
    member.user("ci", "/service/", &[("rotate", "yes")]).await;
    member.user("none", "/service/", &[]).await;
    let key = |world: &mut World| world.create_access_key(ACCOUNT, "ci").map(drop).unwrap();
    member.pass_in_order().await;
    member.stage.sandbox.visit(|world| world.pause_rules(false)).await;
    member.stage.sandbox.advance(46 * DAY).await;
    let statuses =
        |world: &mut World| world.access_keys(ACCOUNT, "ci").iter().map(|key| key.status).collect::<Vec<KeyStatus>>();
    assert_eq!(member.stage.sandbox.visit(statuses).await, [KeyStatus::Active], "the first key is gone");
    // A key of a person's has the versions looked through.
    member.stage.sandbox.visit(key).await;
    member.stage.sandbox.advance(DAY).await;
    member.tag("ci", "rotate", "no").await;
    member.pass_in_order().await;
    member.tag("ci", "rotate", "yes").await;
    member.pass_in_order().await;
    assert_eq!(member.standing("ci").await, "on");
    let (needed, denied) = member.stage.sandbox.visit(needed_actions).await;
    assert_eq!(denied, [] as [String; 0], "{}", member.stage.function_log().await);
    assert_eq!(allowed_actions(&member.template().await), needed);
    assert_eq!(member.stage.sandbox.visit(unneeded).await, [] as [String; 0]);
    member.stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn the_role_reaches_no_user_and_no_secret_but_its_own() {
    let member = Member::deployed(enrolment(), None).await;
    let role = |world: &mut World| {
        let inventory = world.inventory(ACCOUNT);
        let name = inventory.iter().find_map(|item| item.strip_prefix("role ")).unwrap();
        format!("arn:aws:iam::{ACCOUNT}:role/{name}")
    };
    let role = member.stage.sandbox.visit(role).await;
    let iam = aws_sdk_iam::Client::new(&member.stage.config());
    let user = |path: &str| format!("arn:aws:iam::{ACCOUNT}:user{path}");
    let secret = |name: &str| format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-AbCdEf");
    let (tag, of, with) =
        ("iam:ResourceTag/rotate", "secretsmanager:ResourceTag/keyturn:stack", "aws:RequestTag/keyturn:stack");
    let table = [
        ("iam:CreateAccessKey", user("/service/ci"), vec![(tag, "yes")], true),
        ("iam:CreateAccessKey", user("/service/mail/a"), vec![(tag, "yes")], true),
        ("iam:CreateAccessKey", user("/service/ci"), vec![(tag, "no")], false),
        ("iam:CreateAccessKey", user("/service/ci"), vec![], false),
        ("iam:CreateAccessKey", user("/people/jane"), vec![(tag, "yes")], false),
        ("iam:ListUserTags", user("/service/ci"), vec![], true),
        ("iam:ListUserTags", user("/people/jane"), vec![], false),
        ("secretsmanager:GetSecretValue", secret("keyturn/ci"), vec![(of, "keyturn")], true),
        ("secretsmanager:GetSecretValue", secret("keyturn/ci"), vec![(of, "keyturn-eu")], false),
        ("secretsmanager:GetSecretValue", secret("keyturn/ci"), vec![], false),
        ("secretsmanager:GetSecretValue", secret("prod/ci"), vec![(of, "keyturn")], false),
        ("secretsmanager:CreateSecret", secret("keyturn/ci"), vec![(with, "keyturn")], true),
        ("secretsmanager:CreateSecret", secret("keyturn/ci"), vec![(with, "keyturn-eu")], false),
        ("secretsmanager:CreateSecret", secret("keyturn/ci"), vec![], false),
        ("secretsmanager:CreateSecret", secret("prod/ci"), vec![(with, "keyturn")], false),
        ("secretsmanager:TagResource", secret("keyturn/ci"), vec![(of, "keyturn")], true),
        ("secretsmanager:TagResource", secret("keyturn/ci"), vec![(of, "keyturn-eu"), (with, "keyturn")], false),
        ("secretsmanager:TagResource", secret("keyturn/ci"), vec![], false),
        ("secretsmanager:DeleteSecret", secret("keyturn/ci"), vec![(of, "keyturn")], false),
    ];
    for (action, resource, context, is_allowed) in table {
        let entry = |(key, value): &(&str, &str)| {
            let entry = ContextEntry::builder().context_key_name(*key).context_key_values(*value);
            entry.context_key_type(ContextKeyTypeEnum::String).build()
        };
        let asked = iam
            .simulate_principal_policy()
            .policy_source_arn(&role)
            .action_names(action)
            .resource_arns(&resource)
            .set_context_entries(Some(context.iter().map(entry).collect()));
        let answer = asked.send().await.unwrap();
        let decision = answer.evaluation_results()[0].eval_decision().as_str().to_owned();
        assert_eq!(decision == "allowed", is_allowed, "{action} {resource} {context:?}: {decision}");
    }
}
