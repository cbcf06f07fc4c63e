//! Contracts of Organizations: the tree of accounts, who may look at it, its pages, and accounts that cannot be used.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aws_sdk_organizations::Client;
use aws_sdk_organizations::types::{Account, AccountJoinedMethod, AccountState as State, AccountStatus, ParentType};
use sandbox::{Credentials, Sandbox, World};

use crate::clients::{ACCOUNT, s3};
use crate::identity::{OTHER_ACCOUNT, change, error, refusal, session, signed_by, start, sts};

/// The account that most tests put into the organization.
pub(crate) const MEMBER: &str = "777788889999";

/// What Organizations calls the role that it puts into an account.
pub(crate) const ROLE: &str = "arn:aws:iam::777788889999:role/OrganizationAccountAccessRole";

fn organizations(sandbox: &Sandbox, credentials: &Credentials) -> Client {
    Client::new(&signed_by(sandbox, credentials))
}

/// A sandbox with an organization and one account in it, the administrator of the management account, and the root.
pub(crate) async fn organized() -> (Sandbox, Credentials, String) {
    let (sandbox, admin) = start().await;
    let root = change(&sandbox, |world| {
        let root = world.create_organization(ACCOUNT)?;
        world.create_member_account(&root, MEMBER, "member")?;
        Ok(root)
    })
    .await;
    (sandbox, admin, root)
}

/// Assumes the role that the management account has in the member account.
async fn enter(sandbox: &Sandbox, key: &Credentials) -> Result<Credentials, (u16, String)> {
    let answer = sts(sandbox, key).assume_role().role_arn(ROLE).role_session_name("from-a-test").send().await;
    match answer {
        Ok(answer) => Ok(session(&answer)),
        Err(_) => Err(refusal(answer)),
    }
}

/// How many accounts the pages have together that the SDK asks for.
async fn all_accounts(client: &Client) -> usize {
    let pages = client.list_accounts().into_paginator().send().collect::<Result<Vec<_>, _>>().await.unwrap();
    pages.iter().map(|page| page.accounts().len()).sum()
}

#[tokio::test]
async fn an_account_without_organization_is_told_so() {
    let (sandbox, admin) = start().await;
    let client = organizations(&sandbox, &admin);
    let not_in_use = error(400, "AWSOrganizationsNotInUseException");
    assert_eq!(refusal(client.describe_organization().send().await), not_in_use);
    assert_eq!(refusal(client.list_accounts().send().await), not_in_use);
}

#[tokio::test]
async fn the_tree_is_shown_level_by_level() {
    let (sandbox, admin, root) = organized().await;
    let below = root.clone();
    let (unit, inner) = change(&sandbox, move |world| {
        let unit = world.create_organizational_unit(&below, "workloads")?;
        let inner = world.create_organizational_unit(&unit, "production")?;
        world.move_account(MEMBER, &inner)?;
        Ok((unit, inner))
    })
    .await;
    let client = organizations(&sandbox, &admin);
    let organization = client.describe_organization().send().await.unwrap().organization.unwrap();
    let id = organization.id.unwrap();
    assert_eq!(organization.arn, Some(format!("arn:aws:organizations::{ACCOUNT}:organization/{id}")));
    assert_eq!(organization.master_account_id.as_deref(), Some(ACCOUNT));
    assert_eq!(sandbox.visit(|world| world.organization_of(MEMBER)).await, Some(id.clone()));
    let roots = client.list_roots().send().await.unwrap();
    assert_eq!(roots.roots()[0].id(), Some(root.as_str()));
    let units = client.list_organizational_units_for_parent().parent_id(&root).send().await.unwrap();
    let shown = &units.organizational_units()[0];
    assert_eq!((shown.id(), shown.name()), (Some(unit.as_str()), Some("workloads")));
    assert_eq!(shown.arn(), Some(format!("arn:aws:organizations::{ACCOUNT}:ou/{id}/{unit}").as_str()));
    let numbers = async |parent: &str| {
        let accounts = client.list_accounts_for_parent().parent_id(parent).send().await.unwrap();
        accounts.accounts().iter().filter_map(|account| account.id().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&root).await, [ACCOUNT], "not those of the units below");
    assert_eq!(numbers(&unit).await, Vec::<String>::new());
    assert_eq!(numbers(&inner).await, [MEMBER]);
    let parent = async |child: &str| {
        let parents = client.list_parents().child_id(child).send().await.unwrap();
        parents.parents().iter().map(|it| (it.id.clone().unwrap(), it.r#type.clone().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(parent(MEMBER).await, [(inner.clone(), ParentType::OrganizationalUnit)]);
    assert_eq!(parent(&inner).await, [(unit, ParentType::OrganizationalUnit)]);
    assert_eq!(parent(ACCOUNT).await, [(root, ParentType::Root)]);
}

#[tokio::test]
async fn an_account_has_a_state_and_until_autumn_a_status() {
    let (sandbox, admin, root) = organized().await;
    change(&sandbox, |world| world.create_account(OTHER_ACCOUNT)).await;
    change(&sandbox, move |world| world.invite_account(&root, OTHER_ACCOUNT, "guest")).await;
    let client = organizations(&sandbox, &admin);
    let describe =
        async |id: &str| -> Account { client.describe_account().account_id(id).send().await.unwrap().account.unwrap() };
    let member = describe(MEMBER).await;
    assert_eq!((member.id(), member.name()), (Some(MEMBER), Some("member")));
    assert!(member.arn().unwrap().ends_with("/777788889999") && member.email().unwrap().contains('@'));
    assert_eq!((member.state(), member.status()), (Some(&State::Active), Some(&AccountStatus::Active)));
    assert_eq!(member.joined_method(), Some(&AccountJoinedMethod::Created));
    assert!(member.joined_timestamp().is_some());
    assert_eq!(describe(OTHER_ACCOUNT).await.joined_method(), Some(&AccountJoinedMethod::Invited));
    change(&sandbox, |world| world.set_account_state(MEMBER, sandbox::AccountState::Closed)).await;
    let closed = describe(MEMBER).await;
    assert_eq!((closed.state(), closed.status()), (Some(&State::Closed), Some(&AccountStatus::Suspended)));
    sandbox.advance(Duration::from_hours(24 * 300)).await;
    let closed = describe(MEMBER).await;
    assert_eq!((closed.state(), closed.status()), (Some(&State::Closed), None));
}

#[tokio::test]
async fn what_is_not_there_has_an_error_of_its_own() {
    let (sandbox, admin, root) = organized().await;
    let client = organizations(&sandbox, &admin);
    let no_account = client.describe_account().account_id("123456789012").send().await;
    assert_eq!(refusal(no_account), error(400, "AccountNotFoundException"));
    let no_parent = client.list_accounts_for_parent().parent_id("ou-abcd-12345678").send().await;
    assert_eq!(refusal(no_parent), error(400, "ParentNotFoundException"));
    let no_parent = client.list_organizational_units_for_parent().parent_id("r-none").send().await;
    assert_eq!(refusal(no_parent), error(400, "ParentNotFoundException"));
    let no_child = client.list_parents().child_id("123456789012").send().await;
    assert_eq!(refusal(no_child), error(400, "ChildNotFoundException"));
    let invalid = error(400, "InvalidInputException");
    assert_eq!(refusal(client.describe_account().account_id("1").send().await), invalid);
    assert_eq!(refusal(client.list_accounts_for_parent().parent_id("workloads").send().await), invalid);
    for size in [0, 21] {
        assert_eq!(refusal(client.list_accounts().max_results(size).send().await), invalid, "{size}");
    }
    assert_eq!(refusal(client.list_accounts().next_token("made-up").send().await), invalid);
    let code = |result: Result<String, sandbox::ApiError>| result.map_err(|error| error.code);
    let (first, deep) = (root.clone(), root.clone());
    let twice = sandbox.visit(move |world| {
        world.create_organizational_unit(&first, "a")?;
        world.create_organizational_unit(&first, "a")
    });
    assert_eq!(code(twice.await), Err("DuplicateOrganizationalUnitException".into()));
    let deep = sandbox.visit(move |world| (0..6).try_fold(deep, |at, _| world.create_organizational_unit(&at, "b")));
    assert_eq!(code(deep.await), Err("ConstraintViolationException".into()));
}

#[tokio::test]
async fn only_the_management_account_and_delegates_may_look() {
    let (sandbox, admin, _) = organized().await;
    let inside = enter(&sandbox, &admin).await.unwrap();
    let client = organizations(&sandbox, &inside);
    client.describe_organization().send().await.expect("any account may ask for its organization");
    assert_eq!(refusal(client.list_accounts().send().await), error(400, "AccessDeniedException"));
    change(&sandbox, |world| world.delegate_administrator(MEMBER, "a.amazonaws.com")).await;
    assert_eq!(client.list_accounts().send().await.unwrap().accounts().len(), 2);
    let delegates = async |service: Option<&str>| {
        let call = client.list_delegated_administrators().set_service_principal(service.map(str::to_owned));
        let listed = call.send().await.unwrap();
        listed.delegated_administrators().iter().filter_map(|it| it.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(delegates(None).await, [MEMBER]);
    assert_eq!(delegates(Some("a.amazonaws.com")).await, [MEMBER]);
    assert!(delegates(Some("b.amazonaws.com")).await.is_empty());
    let key = crate::identity::user(&sandbox, ACCOUNT, "alice").await;
    let client = organizations(&sandbox, &key);
    assert_eq!(refusal(client.list_roots().send().await), error(400, "AccessDeniedException"));
    let unknown = Credentials { access_key_id: "AKIAAAAAAAAAAAAAAAAA".into(), ..key };
    let refused = organizations(&sandbox, &unknown).list_roots().send().await;
    assert_eq!(refusal(refused), error(400, "UnrecognizedClientException"));
}

#[tokio::test]
async fn pages_have_twenty_at_most_and_may_be_empty() {
    let (sandbox, admin, root) = organized().await;
    let parent = root.clone();
    change(&sandbox, move |world| {
        (0..60).try_for_each(|number| world.create_member_account(&parent, &format!("{number:012}"), "x").map(drop))
    })
    .await;
    let client = organizations(&sandbox, &admin);
    let (mut sizes, mut numbers, mut token) = (Vec::new(), BTreeSet::new(), None);
    loop {
        let page = client.list_accounts_for_parent().parent_id(&root).set_next_token(token).send().await.unwrap();
        sizes.push(page.accounts().len());
        numbers.extend(page.accounts().iter().filter_map(|account| account.id.clone()));
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!((sizes, numbers.len()), (vec![0, 20, 20, 19, 3], 62));
    let other = client.list_accounts().send().await.unwrap().next_token;
    let refused = client.list_accounts_for_parent().parent_id(&root).set_next_token(other).send().await;
    assert_eq!(refusal(refused), error(400, "InvalidInputException"), "the token of another list");
    assert_eq!(all_accounts(&client).await, 62, "the SDK goes on after an empty page");
}

#[tokio::test]
async fn a_caller_that_comes_too_fast_is_told_in_the_words_of_organizations() {
    let (sandbox, admin, _) = organized().await;
    sandbox.visit(|world| world.limit_calls("organizations:", 0.001, 0)).await;
    let refused = organizations(&sandbox, &admin).list_accounts().send().await;
    assert_eq!(refusal(refused), error(400, "TooManyRequestsException"));
}

#[tokio::test]
async fn a_new_account_has_a_role_for_the_management_account_and_nobody_else() {
    let (sandbox, admin, root) = organized().await;
    let inside = enter(&sandbox, &admin).await.unwrap();
    let iam = crate::identity::iam(&sandbox, &inside);
    assert!(iam.list_users().send().await.unwrap().users().is_empty(), "no administrator");
    let sibling = change(&sandbox, |world| world.create_account(OTHER_ACCOUNT)).await;
    change(&sandbox, move |world| world.invite_account(&root, OTHER_ACCOUNT, "sibling")).await;
    let denied = Err(error(403, "AccessDenied"));
    assert_eq!(enter(&sandbox, &sibling).await, denied);
    let alice = crate::identity::user(&sandbox, ACCOUNT, "alice").await;
    assert_eq!(enter(&sandbox, &alice).await, denied, "she needs a permission of her own");
    change(&sandbox, |world| world.delete_role(MEMBER, "OrganizationAccountAccessRole")).await;
    assert_eq!(enter(&sandbox, &admin).await, denied, "a role that is not there");
    assert_eq!(refusal(iam.list_users().send().await), error(403, "InvalidClientTokenId"));
}

#[tokio::test]
async fn a_suspended_account_lets_nobody_in() {
    let (sandbox, admin, _) = organized().await;
    let key = crate::identity::user(&sandbox, MEMBER, "alice").await;
    let inside = enter(&sandbox, &admin).await.unwrap();
    change(&sandbox, |world| world.suspend_account(MEMBER)).await;
    assert_eq!(enter(&sandbox, &admin).await, Err(error(403, "AccessDenied")));
    for credentials in [&inside, &key] {
        let refused = sts(&sandbox, credentials).get_caller_identity().send().await;
        assert_eq!(refusal(refused), error(403, "InvalidClientTokenId"));
    }
    change(&sandbox, |world| world.set_account_state(MEMBER, sandbox::AccountState::Active)).await;
    enter(&sandbox, &admin).await.expect("it is open again");
}

#[tokio::test]
async fn a_new_account_is_not_ready_at_first() {
    let (sandbox, admin, _) = organized().await;
    change(&sandbox, |world| world.delay_account_readiness(MEMBER, Duration::from_secs(80))).await;
    let mut denied = 0;
    let inside = loop {
        match enter(&sandbox, &admin).await {
            Ok(inside) => break inside,
            Err(refused) => assert_eq!(refused, error(403, "AccessDenied")),
        }
        denied += 1;
    };
    assert_eq!(denied, 4, "forty seconds, ten with each refusal");
    let config = signed_by(&sandbox, &inside);
    crate::identity::iam(&sandbox, &inside).list_users().send().await.expect("IAM knows the account first");
    let stacks = aws_sdk_cloudformation::Client::new(&config);
    assert_eq!(refusal(stacks.describe_stacks().send().await), error(403, "OptInRequired"));
    let function = aws_sdk_lambda::Client::new(&config).get_function().function_name("f").send().await;
    assert_eq!(refusal(function), error(403, "SubscriptionRequiredException"));
    let secrets = aws_sdk_secretsmanager::Client::new(&config).list_secrets().send().await;
    assert_eq!(refusal(secrets), error(400, "SubscriptionRequiredException"));
    let bucket = s3(&config).get_object().bucket("bucket").key("k").send().await;
    assert_eq!(refusal(bucket), error(403, "NotSignedUp"));
    stacks.describe_stacks().send().await.expect("eighty seconds have passed");
}

#[tokio::test]
async fn a_thousand_accounts_are_made_at_once() {
    let (sandbox, admin, root) = organized().await;
    let begun = Instant::now();
    let make = move |world: &mut World| {
        for account in 0..1000 {
            let id = format!("{account:012}");
            world.create_member_account(&root, &id, "member")?;
            for user in 0..10 {
                let name = format!("user-{user}");
                world.create_user(&id, &name, "/")?;
                world.create_access_key(&id, &name)?;
            }
        }
        Ok(())
    };
    change(&sandbox, make).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let client = organizations(&sandbox, &admin);
    assert_eq!(all_accounts(&client).await, 1002);
}
