//! Contracts of S3: versions, checksums, lists and deletion.

use aws_sdk_cloudformation::types::ChangeSetType;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, Delete, ObjectIdentifier, ServerSideEncryption};
use serde_json::json;

use crate::cell::{BUCKET, Cell};
use crate::clients::{ACCOUNT, REGION};
use crate::identity::{change, error, refusal};

async fn put(client: &Client, key: &str, text: &'static str) -> String {
    let made = client.put_object().bucket(BUCKET).key(key).body(text.as_bytes().to_vec().into()).send().await.unwrap();
    made.version_id.unwrap()
}

async fn get(client: &Client, key: &str, version: Option<&str>) -> Vec<u8> {
    let request = client.get_object().bucket(BUCKET).key(key).set_version_id(version.map(str::to_owned));
    request.send().await.unwrap().body.collect().await.unwrap().to_vec()
}

#[tokio::test]
async fn objects_have_versions() {
    let cell = Cell::prepared().await;
    let client = cell.s3();
    let (one, two) = (put(&client, "a b+c/d", "one").await, put(&client, "a b+c/d", "two").await);
    assert_eq!(get(&client, "a b+c/d", None).await, b"two");
    assert_eq!(get(&client, "a b+c/d", Some(&one)).await, b"one");
    let head = client.head_object().bucket(BUCKET).key("a b+c/d").send().await.unwrap();
    assert_eq!((head.content_length, head.version_id), (Some(3), Some(two.clone())));

    client.delete_object().bucket(BUCKET).key("a b+c/d").send().await.unwrap();
    let hidden = client.get_object().bucket(BUCKET).key("a b+c/d").send().await;
    assert_eq!(refusal(hidden), error(404, "NoSuchKey"));
    assert!(
        client
            .head_object()
            .bucket(BUCKET)
            .key("a b+c/d")
            .send()
            .await
            .unwrap_err()
            .into_service_error()
            .is_not_found()
    );
    assert_eq!(get(&client, "a b+c/d", Some(&two)).await, b"two");
}

#[tokio::test]
async fn what_the_aws_cli_and_sam_say_of_an_object_is_understood() {
    let cell = Cell::prepared().await;
    let client = cell.s3();
    let put = || client.put_object().bucket(BUCKET).key("k").body(b"text".to_vec().into());
    let encrypted = put().server_side_encryption(ServerSideEncryption::Aes256).send().await.unwrap();
    assert_eq!(encrypted.server_side_encryption, Some(ServerSideEncryption::Aes256));
    let plain = put().send().await.unwrap();
    assert_eq!(plain.server_side_encryption, Some(ServerSideEncryption::Aes256), "S3 encrypts by itself");
    let other = put().server_side_encryption(ServerSideEncryption::AwsKms).send().await;
    assert_eq!(refusal(other), error(501, "SandboxUnsupported"));

    let expecting = |what: &'static str| {
        put().customize().mutate_request(move |request| {
            request.headers_mut().insert("expect", what);
        })
    };
    expecting("100-continue").send().await.unwrap();
    assert_eq!(refusal(expecting("201-created").send().await), error(501, "SandboxUnsupported"));
}

#[tokio::test]
async fn a_body_must_have_the_checksum_that_it_claims() {
    let cell = Cell::prepared().await;
    let client = cell.s3();
    let hashed = client.put_object().bucket(BUCKET).key("k").checksum_algorithm(ChecksumAlgorithm::Sha256);
    hashed.body(b"text".to_vec().into()).send().await.unwrap();
    let wrong =
        client.put_object().bucket(BUCKET).key("k").checksum_sha256("LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
    assert_eq!(refusal(wrong.body(b"text".to_vec().into()).send().await), error(400, "BadDigest"));
    let unknown = client.put_object().bucket(BUCKET).key("k").metadata("a", "b").body(b"text".to_vec().into());
    assert_eq!(refusal(unknown.send().await), error(501, "SandboxUnsupported"));
}

#[tokio::test]
async fn an_object_can_be_put_only_if_there_is_none() {
    let cell = Cell::prepared().await;
    let client = cell.s3();
    let put = || client.put_object().bucket(BUCKET).key("k").if_none_match("*").body(b"x".to_vec().into()).send();
    put().await.unwrap();
    assert_eq!(refusal(put().await), error(412, "PreconditionFailed"));
}

#[tokio::test]
async fn versions_and_delete_markers_are_listed_in_pages() {
    let cell = Cell::prepared().await;
    let client = cell.s3();
    for (key, text) in [("list/a", "1"), ("list/a", "2"), ("list/b", "3")] {
        put(&client, key, text).await;
    }
    client.delete_object().bucket(BUCKET).key("list/a").send().await.unwrap();
    let (mut seen, mut key, mut version) = (Vec::new(), None, None);
    loop {
        let page = client.list_object_versions().bucket(BUCKET).prefix("list/").max_keys(3);
        let page = page.set_key_marker(key).set_version_id_marker(version).send().await.unwrap();
        seen.extend(page.versions().iter().map(|it| format!("{} {}", it.key().unwrap(), it.is_latest().unwrap())));
        seen.extend(
            page.delete_markers().iter().map(|it| format!("{} marker {}", it.key().unwrap(), it.is_latest().unwrap())),
        );
        (key, version) = (page.next_key_marker, page.next_version_id_marker);
        if !page.is_truncated.unwrap() {
            break;
        }
    }
    assert_eq!(seen, ["list/a false", "list/a false", "list/a marker true", "list/b true"]);
}

#[tokio::test]
async fn many_versions_are_deleted_at_once() {
    let cell = Cell::prepared().await;
    let client = cell.s3();
    let version = put(&client, "many & more", "1").await;
    let object = ObjectIdentifier::builder().key("many & more").version_id(&version).build().unwrap();
    let delete = Delete::builder().objects(object).build().unwrap();
    let deleted = client.delete_objects().bucket(BUCKET).delete(delete).send().await.unwrap();
    assert_eq!(deleted.deleted()[0].key(), Some("many & more"));
    assert_eq!(deleted.deleted()[0].version_id(), Some(version.as_str()));
    let bucket = cell.sandbox.visit(|world| world.bucket(BUCKET)).await.unwrap();
    assert!(bucket.objects.iter().all(|object| object.key != "many & more"));
}

#[tokio::test]
async fn a_bucket_answers_in_its_region_and_its_account() {
    let cell = Cell::prepared().await;
    let client = cell.s3();
    change(&cell.sandbox, |world| world.create_bucket(ACCOUNT, "us-east-1", "far-away")).await;
    change(&cell.sandbox, |world| world.create_bucket("444455556666", REGION, "not-ours")).await;
    client.head_bucket().bucket(BUCKET).send().await.unwrap();
    assert_eq!(refusal(client.get_bucket_location().bucket("far-away").send().await), error(301, "PermanentRedirect"));
    assert_eq!(refusal(client.get_bucket_location().bucket("not-ours").send().await), error(403, "AccessDenied"));
    assert_eq!(refusal(client.get_bucket_location().bucket("missing").send().await), error(404, "NoSuchBucket"));
    let location = client.get_bucket_location().bucket(BUCKET).send().await.unwrap();
    assert_eq!(location.location_constraint.unwrap().as_str(), REGION);
}

#[tokio::test]
async fn a_bucket_with_versions_can_not_be_deleted() {
    let cell = Cell::prepared().await;
    let statement = json!({
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "*",
        "Condition": { "Bool": { "aws:SecureTransport": "false" } },
    });
    let blocked = json!({ "BlockPublicAcls": true, "BlockPublicPolicy": true });
    let template = json!({
        "Resources": {
            "Bucket": {
                "Type": "AWS::S3::Bucket",
                "Properties": {
                    "BucketName": "ours",
                    "VersioningConfiguration": { "Status": "Enabled" },
                    "PublicAccessBlockConfiguration": blocked,
                },
            },
            "Policy": {
                "Type": "AWS::S3::BucketPolicy",
                "Properties": {
                    "Bucket": { "Ref": "Bucket" },
                    "PolicyDocument": { "Version": "2012-10-17", "Statement": [statement] },
                },
            },
        },
    });
    assert_eq!(cell.deploy(ChangeSetType::Create, template).await, "CREATE_COMPLETE");
    let bucket = cell.sandbox.visit(|world| world.bucket("ours")).await.unwrap();
    assert_eq!(bucket.settings["PublicAccessBlockConfiguration"], blocked);
    assert_eq!(bucket.policy.unwrap()["Statement"][0], statement);

    let client = cell.s3();
    let made = client.put_object().bucket("ours").key("k").body(b"x".to_vec().into()).send().await.unwrap();
    client.delete_object().bucket("ours").key("k").send().await.unwrap();
    let delete = || cell.cloudformation().delete_stack().stack_name("cell").send();
    delete().await.unwrap();
    cell.sandbox.settle().await;
    assert!(cell.failure().await.contains("You must delete all versions in the bucket"));
    let listed = client.list_object_versions().bucket("ours").send().await.unwrap();
    let marker = listed.delete_markers()[0].version_id().unwrap();
    for version in [made.version_id().unwrap(), marker] {
        client.delete_object().bucket("ours").key("k").version_id(version).send().await.unwrap();
    }
    delete().await.unwrap();
    cell.sandbox.settle().await;
    assert_eq!(cell.sandbox.visit(|world| world.bucket("ours")).await, None);
}

#[tokio::test]
async fn a_checksum_that_was_stored_is_told_to_whoever_asks() {
    let cell = Cell::prepared().await;
    let client = cell.s3();
    let sum = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
    let hello = client.put_object().bucket(BUCKET).key("with").body(b"hello".to_vec().into());
    hello.checksum_sha256(sum).send().await.unwrap();
    put(&client, "without", "hello").await;
    let head = |key: &str| client.head_object().bucket(BUCKET).key(key);
    let asked = head("with").checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
    assert_eq!(asked.checksum_sha256(), Some(sum));
    assert_eq!(head("with").send().await.unwrap().checksum_sha256(), None);
    let asked = head("without").checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
    assert_eq!(asked.checksum_sha256(), None);
    let other = head("with").expected_bucket_owner("444455556666").send().await;
    assert_eq!(other.unwrap_err().raw_response().map(|answer| answer.status().as_u16()), Some(403));
}
