//! A function in the stacks of a set: its code lies in a bucket of the management account, and whether the members may
//! read it is for the policy of the bucket to say.

use aws_sdk_cloudformation::types::{Capability, ChangeSetType};
use serde_json::{Value, json};

use super::Fleet;
use crate::clients::{REGION, s3};
use crate::identity::signed_by;

/// A function whose code lies in the bucket `shared`.
fn function() -> String {
    let trust = json!({ "Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" }, "Action": "sts:AssumeRole",
    } });
    let template = json!({ "Resources": {
        "Role": { "Type": "AWS::IAM::Role", "Properties": { "AssumeRolePolicyDocument": trust } },
        "Function": { "Type": "AWS::Lambda::Function", "Properties": {
            "FunctionName": "rotator",
            "Runtime": "provided.al2023",
            "Handler": "bootstrap",
            "Code": { "S3Bucket": "shared", "S3Key": "code.zip" },
            "Role": { "Fn::GetAtt": ["Role", "Arn"] },
        } },
    } });
    template.to_string()
}

/// A bucket with the code in it, and with this condition on who may read it.
async fn share(fleet: &Fleet, condition: Value) {
    let statement = json!({
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shared/*",
        "Condition": condition,
    });
    let template = json!({ "Resources": {
        "Bucket": { "Type": "AWS::S3::Bucket", "Properties": { "BucketName": "shared" } },
        "Policy": { "Type": "AWS::S3::BucketPolicy", "Properties": {
            "Bucket": { "Ref": "Bucket" },
            "PolicyDocument": { "Version": "2012-10-17", "Statement": [statement] },
        } },
    } });
    let made = fleet.client.create_change_set().stack_name("bucket").change_set_name("changes");
    let made = made.change_set_type(ChangeSetType::Create).capabilities(Capability::CapabilityNamedIam);
    made.template_body(template.to_string()).send().await.unwrap();
    fleet.client.execute_change_set().stack_name("bucket").change_set_name("changes").send().await.unwrap();
    fleet.sandbox.settle().await;
    let body = crate::cell::zip("#!/bin/sh\n").into();
    let client = s3(&signed_by(&fleet.sandbox, &fleet.admin));
    client.put_object().bucket("shared").key("code.zip").body(body).send().await.unwrap();
}

#[tokio::test]
async fn the_policy_of_the_bucket_decides_whether_members_get_the_code() {
    let fleet = Fleet::start().await;
    let organization = fleet.sandbox.visit(|world| world.organization_of(super::MEMBERS[0])).await.unwrap();
    share(&fleet, json!({ "StringEquals": { "aws:PrincipalOrgID": organization } })).await;
    fleet.set(&function()).send().await.unwrap();
    let operation = fleet.deploy().await;
    assert_eq!(fleet.results(&operation).await, ["001 SUCCEEDED", "002 SUCCEEDED", "003 SUCCEEDED"]);

    let fleet = Fleet::start().await;
    share(&fleet, json!({ "StringEquals": { "aws:PrincipalOrgID": "o-another" } })).await;
    fleet.set(&function()).send().await.unwrap();
    let operation = fleet.deploy().await;
    let refused = &fleet.results(&operation).await[0];
    assert!(refused.starts_with("001 FAILED: ResourceLogicalId:Function"), "{refused}");
    assert!(refused.contains("please make sure your request credentials have permission to GetObject"), "{refused}");
}

#[tokio::test]
async fn code_is_read_from_the_region_of_the_stack_only() {
    let fleet = Fleet::start().await;
    let organization = fleet.sandbox.visit(|world| world.organization_of(super::MEMBERS[0])).await.unwrap();
    share(&fleet, json!({ "StringEquals": { "aws:PrincipalOrgID": organization } })).await;
    fleet.set(&function()).send().await.unwrap();
    let far = fleet.instances().set_regions(Some(vec![super::FAR.to_owned()])).send().await.unwrap();
    fleet.sandbox.settle().await;
    let refused = &fleet.results(&far.operation_id.unwrap()).await[0];
    assert!(refused.contains("PermanentRedirect") && refused.contains(REGION), "{refused}");
}
