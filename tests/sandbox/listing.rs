//! Contracts of ListSecrets: filters, pages, and what it says of each secret.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aws_sdk_cloudformation::types::ChangeSetType;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType as Key, SecretListEntry, Tag};
use serde_json::json;

use crate::cell::{Cell, SECRET, function_arn, template};
use crate::clients::{ACCOUNT, REGION};
use crate::identity::{change, error, refusal, signed_by, start, user};

/// More than these no installation has; the sweeper is to get through all of them.
const MANY: usize = 5000;

fn filter(key: Key, values: &[&str]) -> Filter {
    Filter::builder().key(key).set_values(Some(values.iter().map(|value| (*value).to_owned()).collect())).build()
}

fn names(list: &[SecretListEntry]) -> BTreeSet<&str> {
    list.iter().map(|secret| secret.name().unwrap()).collect()
}

#[tokio::test]
async fn filters_match_beginnings_and_all_of_them_and_any_of_their_values() {
    let (sandbox, credentials) = start().await;
    let table = [
        ("keyturn/alice", "keyturn:user", "alice"),
        ("keyturn/bob", "keyturn:user", "bob"),
        ("Keyturn/carol", "keyturn:user", "carol"),
        ("other/keyturn/x", "Keyturn:user", "alice"),
    ];
    for (name, key, value) in table {
        change(&sandbox, move |world| world.create_secret(ACCOUNT, REGION, name, "x", &[(key, value)])).await;
    }
    change(&sandbox, |world| world.create_secret(ACCOUNT, "us-east-1", "keyturn/far", "x", &[])).await;
    let client = Client::new(&signed_by(&sandbox, &credentials));
    let list = async |filters: Vec<Filter>| {
        let listed = client.list_secrets().set_filters(Some(filters)).send().await.unwrap();
        names(listed.secret_list()).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(list(vec![filter(Key::Name, &["keyturn/"])]).await, ["keyturn/alice", "keyturn/bob"]);
    let tagged = list(vec![filter(Key::TagKey, &["keyturn:"])]).await;
    assert_eq!(tagged, ["Keyturn/carol", "keyturn/alice", "keyturn/bob"], "case matters");
    assert_eq!(list(vec![filter(Key::TagValue, &["ali"])]).await, ["keyturn/alice", "other/keyturn/x"]);
    let any = filter(Key::TagValue, &["alice", "bob"]);
    assert_eq!(list(vec![any.clone()]).await, ["keyturn/alice", "keyturn/bob", "other/keyturn/x"]);
    assert_eq!(list(vec![any, filter(Key::Name, &["keyturn/"])]).await, ["keyturn/alice", "keyturn/bob"]);
    assert_eq!(list(vec![]).await.len(), 4, "of this region");

    let ask = |filters| client.list_secrets().set_filters(Some(filters)).send();
    for illegal in ["a,b", "é", &"x".repeat(513)] {
        let refused = ask(vec![filter(Key::Name, &[illegal])]).await;
        assert_eq!(refusal(refused), error(400, "ValidationException"), "{illegal}");
    }
    let eleven = vec![filter(Key::Name, &["a"]); 11];
    assert_eq!(refusal(ask(eleven).await), error(400, "ValidationException"));
    assert_eq!(refusal(ask(vec![filter(Key::Name, &["!a"])]).await), error(501, "SandboxUnsupported"));
    let nobody = Client::new(&signed_by(&sandbox, &user(&sandbox, ACCOUNT, "nobody").await));
    assert_eq!(refusal(nobody.list_secrets().send().await), error(400, "AccessDeniedException"));
}

#[tokio::test]
async fn thousands_of_secrets_come_in_pages_of_a_hundred() {
    let (sandbox, credentials) = start().await;
    let populate = |world: &mut sandbox::World| {
        (0..MANY).try_for_each(|number| {
            let tags = [("keyturn:managed", "yes")];
            world.create_secret(ACCOUNT, REGION, &format!("keyturn/u{number}"), "x", &tags).map(drop)
        })
    };
    let begun = Instant::now();
    change(&sandbox, populate).await;
    println!("{MANY} secrets were created in {:?}", begun.elapsed());
    let client = Client::new(&signed_by(&sandbox, &credentials));
    let begun = Instant::now();
    let mut pages = client.list_secrets().filters(filter(Key::TagKey, &["keyturn:managed"])).into_paginator().send();
    let (mut seen, mut sizes) = (BTreeSet::new(), Vec::new());
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        sizes.push(page.secret_list().len());
        seen.extend(names(page.secret_list()).into_iter().map(str::to_owned));
    }
    println!("{MANY} secrets were listed in {:?}", begun.elapsed());
    assert_eq!((sizes, seen.len()), (vec![100; MANY / 100], MANY));

    let ask = |size| client.list_secrets().max_results(size).send();
    let first = ask(7).await.unwrap();
    assert_eq!(first.secret_list().len(), 7);
    let second = client.list_secrets().max_results(7).next_token(first.next_token().unwrap()).send().await.unwrap();
    assert!(names(second.secret_list()).is_disjoint(&names(first.secret_list())));
    for size in [0, 101] {
        assert_eq!(refusal(ask(size).await), error(400, "ValidationException"), "{size}");
    }
    let forged = client.list_secrets().next_token("forged").send().await;
    assert_eq!(refusal(forged), error(400, "InvalidNextTokenException"));
}

#[tokio::test]
async fn the_list_says_what_describe_secret_says() {
    let cell = Cell::prepared().await;
    let mut template = template();
    template["Resources"]["Schedule"] = json!({
        "Type": "AWS::SecretsManager::RotationSchedule",
        "DependsOn": "Permission",
        "Properties": {
            "SecretId": { "Ref": "Secret" },
            "RotationLambdaARN": { "Fn::GetAtt": ["Function", "Arn"] },
            "RotationRules": { "ScheduleExpression": "rate(10 days)" },
        },
    });
    assert_eq!(cell.deploy(ChangeSetType::Create, template).await, "CREATE_COMPLETE");
    let client = cell.secrets();
    let entry = async || {
        let list = client.list_secrets().include_planned_deletion(true).send().await.unwrap();
        list.secret_list.unwrap().into_iter().find(|secret| secret.name() == Some(SECRET)).unwrap()
    };
    let (listed, described) = (entry().await, client.describe_secret().secret_id(SECRET).send().await.unwrap());
    assert_eq!(listed.arn, described.arn);
    assert_eq!(listed.tags, described.tags);
    assert!(listed.tags().contains(&Tag::builder().key("team").value("a").build()));
    assert_eq!(listed.secret_versions_to_stages, described.version_ids_to_stages);
    assert_eq!(listed.secret_versions_to_stages().unwrap().len(), 2, "the rotation has made a second version");
    assert_eq!((listed.rotation_enabled, listed.rotation_lambda_arn()), (Some(true), Some(function_arn().as_str())));
    assert!(listed.last_rotated_date.is_some() && listed.next_rotation_date.is_some());
    assert_eq!(listed.last_rotated_date, described.last_rotated_date);
    assert_eq!(listed.next_rotation_date, described.next_rotation_date);
    assert_eq!(listed.owning_service, None);
    assert_eq!(listed.deleted_date, None);

    client.cancel_rotate_secret().secret_id(SECRET).send().await.unwrap();
    let cancelled = entry().await;
    assert_eq!((cancelled.rotation_enabled, cancelled.next_rotation_date), (Some(false), None));

    client.delete_secret().secret_id(SECRET).recovery_window_in_days(7).send().await.unwrap();
    let deleted = entry().await.deleted_date.unwrap();
    let now = cell.sandbox.visit(|world| world.now()).await;
    let left = Duration::from_secs_f64(deleted.as_secs_f64() - now.as_duration().as_secs_f64());
    assert_eq!(left.as_secs_f64().round(), 7.0 * 86_400.0, "the date is that of the end");
    let listed = client.list_secrets().send().await.unwrap();
    assert!(!names(listed.secret_list()).contains(SECRET), "a deleted secret is listed only on request");
}
