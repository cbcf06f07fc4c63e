//! Contracts of Secrets Manager: versions and labels, deletion, lists, tags and permissions.

use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::put_secret_value::PutSecretValueOutput;
use aws_sdk_secretsmanager::primitives::Blob;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, ReplicaRegionType, Tag};
use sandbox::Sandbox;

use crate::clients::{ACCOUNT, REGION};
use crate::identity::{change, error, refusal, signed_by, start, user};

/// Version ids have 32 characters at least.
const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const C: &str = "cccccccccccccccccccccccccccccccc";

/// A client that may do everything.
async fn administrator() -> (Sandbox, Client) {
    let (sandbox, credentials) = start().await;
    let client = Client::new(&signed_by(&sandbox, &credentials));
    (sandbox, client)
}

/// With a secret `app` that has the version A.
async fn with_secret() -> (Sandbox, Client) {
    let (sandbox, client) = administrator().await;
    client.create_secret().name("app").client_request_token(A).secret_string("a").send().await.unwrap();
    (sandbox, client)
}

async fn put(client: &Client, id: &str, value: &str, labels: &[&str]) -> PutSecretValueOutput {
    let request = client.put_secret_value().secret_id("app").client_request_token(id).secret_string(value);
    let labels = (!labels.is_empty()).then(|| labels.iter().map(|label| (*label).to_owned()).collect());
    request.set_version_stages(labels).send().await.unwrap()
}

async fn labels(client: &Client, id: &str) -> Vec<String> {
    let secret = client.describe_secret().secret_id("app").send().await.unwrap();
    secret.version_ids_to_stages.unwrap().remove(id).unwrap_or_default()
}

#[tokio::test]
async fn a_secret_is_found_by_name_by_arn_and_by_arn_without_its_end() {
    let (_sandbox, client) = with_secret().await;
    let longer = client.create_secret().name("app-longer").secret_string("x").send().await.unwrap();
    let arn = client.describe_secret().secret_id("app").send().await.unwrap().arn.unwrap();
    assert!(arn.starts_with(&format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:app-")), "{arn}");
    assert_eq!(arn.rsplit('-').next().unwrap().len(), 6);
    assert_ne!(longer.arn.as_ref(), Some(&arn));
    for id in ["app", &arn, arn.rsplit_once('-').unwrap().0] {
        let found = client.get_secret_value().secret_id(id).send().await.unwrap();
        assert_eq!(found.secret_string.as_deref(), Some("a"), "{id}");
    }
    let missing = refusal(client.describe_secret().secret_id("ap").send().await);
    assert_eq!(missing, error(400, "ResourceNotFoundException"));
}

#[tokio::test]
async fn the_first_value_becomes_current_whatever_its_label() {
    let (_sandbox, client) = administrator().await;
    client.create_secret().name("app").send().await.unwrap();
    let empty = refusal(client.get_secret_value().secret_id("app").send().await);
    assert_eq!(empty, error(400, "ResourceNotFoundException"));
    put(&client, A, "a", &["AWSPENDING"]).await;
    assert_eq!(labels(&client, A).await, ["AWSCURRENT", "AWSPENDING"]);
    put(&client, B, "b", &["AWSPENDING"]).await;
    assert_eq!(labels(&client, A).await, ["AWSCURRENT"]);
    assert_eq!(labels(&client, B).await, ["AWSPENDING"]);
}

#[tokio::test]
async fn the_same_token_with_the_same_value_is_a_no_op_and_with_another_an_error() {
    let (_sandbox, client) = with_secret().await;
    put(&client, B, "b", &["AWSPENDING"]).await;
    assert_eq!(put(&client, B, "b", &["AWSPENDING"]).await.version_id.as_deref(), Some(B));
    let other = client.put_secret_value().secret_id("app").client_request_token(B).secret_string("other");
    assert_eq!(refusal(other.send().await), error(400, "ResourceExistsException"));
    let kept = client.get_secret_value().secret_id("app").version_id(B).send().await.unwrap();
    assert_eq!(kept.secret_string.as_deref(), Some("b"));
}

#[tokio::test]
async fn previous_follows_current_by_itself() {
    let (_sandbox, client) = with_secret().await;
    put(&client, B, "b", &[]).await;
    assert_eq!(
        (labels(&client, A).await, labels(&client, B).await),
        (vec!["AWSPREVIOUS".into()], vec!["AWSCURRENT".into()])
    );
    let back = client.update_secret_version_stage().secret_id("app").version_stage("AWSCURRENT");
    back.remove_from_version_id(B).move_to_version_id(A).send().await.unwrap();
    assert_eq!(
        (labels(&client, A).await, labels(&client, B).await),
        (vec!["AWSCURRENT".into()], vec!["AWSPREVIOUS".into()])
    );
}

#[tokio::test]
async fn a_label_leaves_only_the_version_that_is_named() {
    let (_sandbox, client) = with_secret().await;
    put(&client, B, "b", &["AWSPENDING"]).await;
    let to_b =
        || client.update_secret_version_stage().secret_id("app").version_stage("AWSCURRENT").move_to_version_id(B);
    assert_eq!(refusal(to_b().send().await), error(400, "InvalidParameterException"));
    assert_eq!(refusal(to_b().remove_from_version_id(B).send().await), error(400, "InvalidParameterException"));
    assert_eq!(refusal(to_b().remove_from_version_id(C).send().await), error(400, "ResourceNotFoundException"));
    assert_eq!(labels(&client, A).await, ["AWSCURRENT"]);
    to_b().remove_from_version_id(A).send().await.unwrap();
    assert_eq!(labels(&client, B).await, ["AWSCURRENT", "AWSPENDING"]);
    let off = client.update_secret_version_stage().secret_id("app").version_stage("AWSCURRENT");
    assert_eq!(refusal(off.remove_from_version_id(B).send().await), error(400, "InvalidParameterException"));
}

#[tokio::test]
async fn versions_without_a_label_are_read_by_id_and_listed_on_request() {
    let (_sandbox, client) = with_secret().await;
    put(&client, B, "b", &[]).await;
    put(&client, C, "c", &[]).await;
    let old = client.get_secret_value().secret_id("app").version_id(A).send().await.unwrap();
    assert_eq!(old.secret_string.as_deref(), Some("a"));
    let listed = client.list_secret_version_ids().secret_id("app").send().await.unwrap().versions.unwrap();
    assert_eq!(listed.iter().map(|version| version.version_id().unwrap()).collect::<Vec<_>>(), [B, C]);
    let first = client.list_secret_version_ids().secret_id("app").include_deprecated(true).max_results(2);
    let first = first.send().await.unwrap();
    assert_eq!(first.versions().iter().map(|version| version.version_id().unwrap()).collect::<Vec<_>>(), [A, B]);
    let rest = client.list_secret_version_ids().secret_id("app").include_deprecated(true).max_results(2);
    let rest = rest.set_next_token(first.next_token).send().await.unwrap();
    assert_eq!(rest.versions().iter().map(|version| version.version_id().unwrap()).collect::<Vec<_>>(), [C]);
    assert_eq!(rest.next_token, None);
}

#[tokio::test]
async fn a_label_and_an_id_that_do_not_belong_together_are_refused() {
    let (_sandbox, client) = with_secret().await;
    let wrong = client.get_secret_value().secret_id("app").version_id(A).version_stage("AWSPENDING").send().await;
    assert_eq!(refusal(wrong), error(400, "InvalidRequestException"));
    let right = client.get_secret_value().secret_id("app").version_id(A).version_stage("AWSCURRENT").send().await;
    assert_eq!(right.unwrap().secret_string.as_deref(), Some("a"));
}

#[tokio::test]
async fn a_deleted_secret_keeps_its_name_and_can_be_restored() {
    let (sandbox, client) = with_secret().await;
    for days in [6, 31] {
        let refused = client.delete_secret().secret_id("app").recovery_window_in_days(days).send().await;
        assert_eq!(refusal(refused), error(400, "InvalidParameterException"), "{days}");
    }
    client.delete_secret().secret_id("app").recovery_window_in_days(7).send().await.unwrap();
    assert!(client.describe_secret().secret_id("app").send().await.unwrap().deleted_date.is_some());
    let refused = error(400, "InvalidRequestException");
    assert_eq!(refusal(client.get_secret_value().secret_id("app").send().await), refused);
    assert_eq!(refusal(client.put_secret_value().secret_id("app").secret_string("b").send().await), refused);
    assert_eq!(refusal(client.create_secret().name("app").secret_string("b").send().await), refused);
    assert_eq!(refusal(client.delete_secret().secret_id("app").send().await), refused);

    client.restore_secret().secret_id("app").send().await.unwrap();
    let restored = client.get_secret_value().secret_id("app").send().await.unwrap();
    assert_eq!(restored.secret_string.as_deref(), Some("a"));
    sandbox.advance(Duration::from_hours(24 * 8)).await;
    client.get_secret_value().secret_id("app").send().await.unwrap();
}

#[tokio::test]
async fn a_deleted_secret_is_gone_after_its_recovery_window_or_at_once() {
    let (sandbox, client) = with_secret().await;
    client.delete_secret().secret_id("app").recovery_window_in_days(7).send().await.unwrap();
    sandbox.advance(Duration::from_hours(24 * 7 - 1)).await;
    client.describe_secret().secret_id("app").send().await.unwrap();
    sandbox.advance(Duration::from_hours(1)).await;
    let gone = refusal(client.describe_secret().secret_id("app").send().await);
    assert_eq!(gone, error(400, "ResourceNotFoundException"));

    client.create_secret().name("app").client_request_token(A).secret_string("a").send().await.unwrap();
    client.delete_secret().secret_id("app").force_delete_without_recovery(true).send().await.unwrap();
    client.create_secret().name("app").client_request_token(B).secret_string("b").send().await.unwrap();
}

#[tokio::test]
async fn a_secret_is_created_once() {
    let (_sandbox, client) = with_secret().await;
    let again = || client.create_secret().name("app").client_request_token(A);
    again().secret_string("a").send().await.expect("the same request once more");
    assert_eq!(refusal(again().secret_string("b").send().await), error(400, "ResourceExistsException"));
    let comma = client.create_secret().name("a,b").secret_string("x").send().await;
    assert_eq!(refusal(comma), error(400, "InvalidParameterException"));
}

#[tokio::test]
async fn secrets_are_listed_by_name_and_tag_in_pages() {
    let (_sandbox, client) = administrator().await;
    for name in ["app/a", "app/b", "app/c", "other"] {
        let tag = Tag::builder().key(format!("of:{name}")).value("yes").build();
        client.create_secret().name(name).tags(tag).secret_string("x").send().await.unwrap();
    }
    client.delete_secret().secret_id("app/c").send().await.unwrap();
    let filter = |key, value: &str| Filter::builder().key(key).values(value).build();
    let names = |list: &[aws_sdk_secretsmanager::types::SecretListEntry]| {
        list.iter().map(|secret| secret.name().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let by_name = client.list_secrets().filters(filter(FilterNameStringType::Name, "app/")).send().await.unwrap();
    assert_eq!(names(by_name.secret_list()), ["app/a", "app/b"]);
    let by_tag = client.list_secrets().filters(filter(FilterNameStringType::TagKey, "of:other")).send().await.unwrap();
    assert_eq!(names(by_tag.secret_list()), ["other"]);
    let by_value = client.list_secrets().filters(filter(FilterNameStringType::TagValue, "no")).send().await.unwrap();
    assert_eq!(names(by_value.secret_list()), [""; 0]);

    let mut pages = client.list_secrets().include_planned_deletion(true).max_results(3).into_paginator().send();
    let mut listed = Vec::new();
    while let Some(page) = pages.next().await {
        listed.push(names(page.unwrap().secret_list()));
    }
    assert_eq!(listed, [vec!["app/a", "app/b", "app/c"], vec!["other"]]);
    let unknown = client.list_secrets().filters(filter(FilterNameStringType::Description, "x")).send().await;
    assert_eq!(refusal(unknown), error(501, "SandboxUnsupported"));
}

#[tokio::test]
async fn tags_are_few_and_of_legal_characters() {
    let (_sandbox, client) = with_secret().await;
    let tag = |key: &str, value: &str| {
        let tag = Tag::builder().key(key).value(value).build();
        client.tag_resource().secret_id("app").tags(tag).send()
    };
    for number in 0..50 {
        tag(&format!("k{number}"), "v").await.unwrap();
    }
    assert_eq!(refusal(tag("k50", "v").await), error(400, "LimitExceededException"));
    tag("k0", "changed").await.expect("not one more");
    assert_eq!(refusal(tag("k0", "a,b").await), error(400, "InvalidParameterException"));
    assert_eq!(refusal(tag("aws:k", "v").await), error(400, "InvalidParameterException"));
    client.untag_resource().secret_id("app").tag_keys("k0").send().await.unwrap();
    tag("k50", "v").await.unwrap();
}

#[tokio::test]
async fn permissions_are_checked_on_the_arn_and_the_tags_of_the_secret() {
    let (sandbox, client) = with_secret().await;
    let credentials = user(&sandbox, ACCOUNT, "reader").await;
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:*:{ACCOUNT}:secret:app-??????","Condition":{{"StringEquals":{{"aws:ResourceTag/team":"a"}}}}}}}}"#
    );
    change(&sandbox, move |world| world.put_user_policy(ACCOUNT, "reader", "read", &policy)).await;
    let reader = Client::new(&signed_by(&sandbox, &credentials));
    let denied = error(400, "AccessDeniedException");
    assert_eq!(refusal(reader.get_secret_value().secret_id("app").send().await), denied);
    client.tag_resource().secret_id("app").tags(Tag::builder().key("team").value("a").build()).send().await.unwrap();
    reader.get_secret_value().secret_id("app").send().await.unwrap();
    assert_eq!(refusal(reader.describe_secret().secret_id("app").send().await), denied);
    // Who may not ask does not learn whether there is such a secret.
    assert_eq!(refusal(reader.get_secret_value().secret_id("missing").send().await), denied);
}

#[tokio::test]
async fn a_key_of_the_customer_needs_permissions_of_its_own() {
    let (sandbox, client) = administrator().await;
    let key = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/k");
    client.create_secret().name("app").kms_key_id(&key).secret_string("a").send().await.unwrap();
    let credentials = user(&sandbox, ACCOUNT, "reader").await;
    let policy = |more: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"secretsmanager:*","Resource":"*"}}{more}]}}"#
        )
    };
    let without = policy("");
    change(&sandbox, move |world| world.put_user_policy(ACCOUNT, "reader", "read", &without)).await;
    let reader = Client::new(&signed_by(&sandbox, &credentials));
    let read = || reader.get_secret_value().secret_id("app").send();
    assert_eq!(refusal(read().await), error(400, "InvalidRequestException"));
    let with = policy(&format!(
        r#",{{"Effect":"Allow","Action":"kms:Decrypt","Resource":"{key}","Condition":{{"StringEquals":{{"kms:ViaService":"secretsmanager.{REGION}.amazonaws.com"}}}}}}"#
    ));
    change(&sandbox, move |world| world.put_user_policy(ACCOUNT, "reader", "read", &with)).await;
    read().await.unwrap();
}

#[tokio::test]
async fn what_the_sandbox_does_not_know_is_named() {
    let (_sandbox, client) = with_secret().await;
    let binary = client.put_secret_value().secret_id("app").secret_binary(Blob::new("x")).secret_string("x").send();
    let text = format!("{:?}", binary.await.unwrap_err());
    assert!(text.contains("SecretBinary"), "{text}");
    let text = format!("{:?}", client.get_random_password().send().await.unwrap_err());
    assert!(text.contains("GetRandomPassword"), "{text}");
}

#[tokio::test]
async fn a_secret_with_replicas_stays_until_they_are_removed() {
    let (_sandbox, client) = administrator().await;
    let replica = |region: &str| ReplicaRegionType::builder().region(region).build();
    let refused =
        client.create_secret().name("app").secret_string("a").add_replica_regions(replica(REGION)).send().await;
    assert_eq!(refusal(refused), error(400, "InvalidParameterException"), "the home region");
    let refused =
        client.create_secret().name("app").secret_string("a").add_replica_regions(replica("cn-north-1")).send().await;
    assert_eq!(refusal(refused), error(400, "InvalidParameterException"), "another partition");
    let asked = client.create_secret().name("app").secret_string("a").add_replica_regions(replica("eu-west-1"));
    asked.send().await.unwrap();

    let delete = || client.delete_secret().secret_id("app").recovery_window_in_days(7).send();
    assert_eq!(refusal(delete().await), error(400, "InvalidRequestException"));
    let remove =
        |region: &str| client.remove_regions_from_replication().secret_id("app").remove_replica_regions(region).send();
    assert_eq!(refusal(remove("us-east-1").await), error(400, "InvalidParameterException"));
    assert_eq!(remove("eu-west-1").await.unwrap().replication_status(), []);
    delete().await.unwrap();
}
