//! Stacks that are there before anybody has asked the API for one.

use std::collections::BTreeMap;

use sandbox::World;

use super::{Cloud, role, template};
use crate::clients::ACCOUNT;

const MEMBER: &str = "777788889999";

#[tokio::test]
async fn a_stack_that_is_put_there_is_one_like_any_other() {
    let cloud = Cloud::start().await;
    let described = template(&[role("Role", ", RoleName: the-role")]);
    let text = described.clone();
    let build = move |world: &mut World| {
        let root = world.create_organization(ACCOUNT)?;
        world.create_member_account(&root, MEMBER, "member")?;
        let tags = BTreeMap::from([("team".to_owned(), "keys".to_owned())]);
        for account in [ACCOUNT, MEMBER] {
            world.build_stack((account, "eu-central-1"), "cell", &text, &tags)?;
        }
        let again = world.build_stack((ACCOUNT, "eu-central-1"), "cell", &text, &tags).unwrap_err();
        assert!(again.is("AlreadyExistsException"));
        world.build_stack((ACCOUNT, "eu-central-1"), "strange", "Resources: { It: { Type: 'AWS::No::Such' } }", &tags)
    };
    let strange = cloud.sandbox.visit(build).await.unwrap_err();
    assert!(strange.to_string().contains("AWS::No::Such"), "{strange}");
    cloud.sandbox.settle().await;
    let answer = cloud.client.get_template().stack_name("cell").send().await.unwrap();
    assert_eq!(answer.template_body(), Some(described.as_str()));
    let stacks = cloud.sandbox.visit(|world| world.stacks()).await;
    let seen: Vec<_> = stacks.iter().map(|stack| (stack.account.as_str(), stack.status.as_str())).collect();
    assert_eq!(seen, [(ACCOUNT, "CREATE_COMPLETE"), (MEMBER, "CREATE_COMPLETE")]);
    assert_eq!(stacks[0].tags, [("team".to_owned(), "keys".to_owned())]);
    // And it is updated by whoever asks.
    cloud.update(&template(&[role("Role", ", RoleName: another")])).await;
    let roles = cloud.sandbox.visit(|world| world.inventory(ACCOUNT)).await;
    assert!(roles.iter().any(|it| it.contains("another")), "{roles:?}");
}
