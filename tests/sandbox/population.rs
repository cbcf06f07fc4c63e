//! Contracts of what IAM tells of many users at once: groups, tags and policies, in GetAccountAuthorizationDetails.

use std::time::Instant;

use aws_sdk_iam::error::ProvideErrorMetadata as _;
use aws_sdk_iam::types::{EntityType, UserDetail};
use sandbox::{Credentials, Sandbox};

use crate::clients::ACCOUNT;
use crate::identity::{change, error, iam, refusal, start, user};

/// Every user, and how many there were on each page.
async fn details(sandbox: &Sandbox, key: &Credentials, size: Option<i32>) -> (Vec<UserDetail>, Vec<usize>) {
    let iam = iam(sandbox, key);
    let (mut users, mut sizes, mut marker) = (Vec::new(), Vec::new(), None);
    loop {
        let call = iam.get_account_authorization_details().filter(EntityType::User).set_max_items(size);
        let page = call.set_marker(marker).send().await.unwrap();
        sizes.push(page.user_detail_list().len());
        users.extend(page.user_detail_list().iter().cloned());
        assert_eq!(page.is_truncated(), page.marker().is_some());
        marker = page.marker().map(str::to_owned);
        if marker.is_none() {
            return (users, sizes);
        }
    }
}

#[tokio::test]
async fn authorization_details_show_groups_tags_and_policies() {
    let (sandbox, admin) = start().await;
    let id = change(&sandbox, |world| {
        let id = world.create_user(ACCOUNT, "Alice", "/team/")?;
        world.tag_user(ACCOUNT, "alice", "team", "a & b")?;
        world.create_group(ACCOUNT, "Robots")?;
        world.create_group(ACCOUNT, "people")?;
        world.add_user_to_group(ACCOUNT, "alice", "robots")?;
        world.add_user_to_group(ACCOUNT, "ALICE", "people")?;
        let deny = r#"{ "Version": "2012-10-17", "Statement": { "Effect": "Deny", "Action": "*", "Resource": "*" } }"#;
        world.put_user_policy(ACCOUNT, "alice", "nothing", deny)?;
        Ok(id)
    })
    .await;
    let (users, _) = details(&sandbox, &admin, None).await;
    assert_eq!(users.iter().filter_map(UserDetail::user_name).collect::<Vec<_>>(), ["administrator", "Alice"]);
    let alice = &users[1];
    assert_eq!((alice.path(), alice.user_id()), (Some("/team/"), Some(id.as_str())));
    assert_eq!(alice.arn(), Some("arn:aws:iam::111122223333:user/team/Alice"));
    let now = sandbox.visit(|world| world.now()).await;
    assert_eq!(alice.create_date().map(|date| date.secs()), Some(now.as_second()));
    assert_eq!(alice.group_list(), ["Robots", "people"]);
    assert_eq!(alice.tags().iter().map(|tag| (tag.key(), tag.value())).collect::<Vec<_>>(), [("team", "a & b")]);
    let policy = &alice.user_policy_list()[0];
    assert_eq!(policy.policy_name(), Some("nothing"));
    let document = policy.policy_document().unwrap();
    assert!(document.starts_with("%7B%22") && !document.contains(['"', ' ', '+']), "{document}");
    assert!(users[0].tags().is_empty() && users[0].group_list().is_empty());
}

#[tokio::test]
async fn authorization_details_come_in_pages_that_may_be_shorter_than_asked_for() {
    let (sandbox, admin) = start().await;
    let began = Instant::now();
    sandbox
        .visit(|world| {
            for number in 0..2000 {
                world.create_user(ACCOUNT, &format!("user-{number:04}"), "/").unwrap();
            }
        })
        .await;
    let (users, sizes) = details(&sandbox, &admin, Some(1000)).await;
    assert_eq!((users.len(), sizes), (2001, vec![750, 750, 501]), "2,000 users and the administrator");
    assert_eq!(details(&sandbox, &admin, None).await.1[..2], [75, 75], "a hundred when nobody says");
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    let names = |users: &[UserDetail]| users.iter().filter_map(UserDetail::user_name).map(str::to_owned).collect();
    let (some, again): (Vec<String>, Vec<String>) = (names(&users), names(&details(&sandbox, &admin, None).await.0));
    assert_eq!(some, again);
}

#[tokio::test]
async fn authorization_details_need_their_own_permission_and_say_what_they_do_not_know() {
    let (sandbox, admin) = start().await;
    let key = user(&sandbox, ACCOUNT, "alice").await;
    let ask = |key: &Credentials| iam(&sandbox, key).get_account_authorization_details();
    let users = |key: &Credentials| ask(key).filter(EntityType::User);
    assert_eq!(refusal(users(&key).send().await), error(403, "AccessDenied"));
    let allow = r#"{"Version":"2012-10-17","Statement":
        {"Effect":"Allow","Action":"iam:GetAccountAuthorizationDetails","Resource":"*"}}"#;
    change(&sandbox, |world| world.put_user_policy(ACCOUNT, "alice", "details", allow)).await;
    users(&key).send().await.unwrap();
    for size in [0, 1001] {
        assert_eq!(refusal(users(&admin).max_items(size).send().await), error(400, "ValidationError"), "{size}");
    }
    assert_eq!(refusal(users(&admin).marker("alice").send().await), error(400, "ValidationError"));
    for (call, named) in [(ask(&admin), "`Filter`"), (users(&admin).filter(EntityType::Role), "`Role`")] {
        let refused = call.send().await.expect_err("refused");
        assert!(refused.message().is_some_and(|message| message.contains(named)), "{refused:?}");
    }
}

#[tokio::test]
async fn whoever_is_in_a_group_is_not_deleted() {
    let (sandbox, admin) = start().await;
    change(&sandbox, |world| {
        world.create_user(ACCOUNT, "alice", "/")?;
        world.create_group(ACCOUNT, "robots")?;
        world.add_user_to_group(ACCOUNT, "alice", "robots")
    })
    .await;
    let refused = iam(&sandbox, &admin).delete_user().user_name("alice").send().await;
    assert_eq!(refusal(refused), error(409, "DeleteConflict"));
    let code = |result: Result<(), sandbox::ApiError>| result.map_err(|error| error.code);
    let again = sandbox.visit(|world| world.create_group(ACCOUNT, "Robots")).await;
    assert_eq!(code(again), Err("EntityAlreadyExists".into()));
    let nobody = sandbox.visit(|world| world.add_user_to_group(ACCOUNT, "bob", "robots")).await;
    let nowhere = sandbox.visit(|world| world.add_user_to_group(ACCOUNT, "alice", "people")).await;
    assert_eq!((code(nobody), code(nowhere)), (Err("NoSuchEntity".into()), Err("NoSuchEntity".into())));
}
