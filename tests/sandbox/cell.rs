//! A stack for the contracts that need a function: role, function, permission, log group and a secret.

use std::io::Write as _;

use aws_sdk_cloudformation::types::{Capability, ChangeSetType};
use aws_types::SdkConfig;
use sandbox::Sandbox;
use serde_json::{Value, json};

use crate::clients::{self, ACCOUNT, REGION};
use crate::identity::{change, signed_by, start};

/// The bucket that the code lies in.
pub(crate) const BUCKET: &str = "artifacts";

/// The function of every cell.
pub(crate) const FUNCTION: &str = "rotator";

/// The secret of every cell, and its value.
pub(crate) const SECRET: &str = "app/alice";
pub(crate) const VALUE: &str = r#"{"UserName":"alice"}"#;

/// A sandbox with the stack in it.
pub(crate) struct Cell {
    pub(crate) sandbox: Sandbox,
    pub(crate) config: SdkConfig,
}

impl Cell {
    pub(crate) async fn deployed() -> Self {
        let cell = Self::prepared().await;
        let status = cell.deploy(ChangeSetType::Create, template()).await;
        assert_eq!(status, "CREATE_COMPLETE");
        cell
    }

    /// With the code in its bucket and without the stack.
    pub(crate) async fn prepared() -> Self {
        let (sandbox, administrator) = start().await;
        change(&sandbox, |world| world.create_bucket(ACCOUNT, REGION, BUCKET)).await;
        let config = signed_by(&sandbox, &administrator);
        let cell = Self { sandbox, config };
        cell.upload("code.zip", include_str!("bootstrap.py")).await;
        cell
    }

    /// Puts a zip with this script as its `bootstrap` into the bucket.
    pub(crate) async fn upload(&self, key: &str, script: &str) {
        let body = zip(script).into();
        self.s3().put_object().bucket(BUCKET).key(key).body(body).send().await.unwrap();
    }

    /// Brings the stack to a template, and gives its status.
    pub(crate) async fn deploy(&self, kind: ChangeSetType, template: Value) -> String {
        let client = aws_sdk_cloudformation::Client::new(&self.config);
        let made = client
            .create_change_set()
            .stack_name("cell")
            .change_set_name("changes")
            .change_set_type(kind)
            .capabilities(Capability::CapabilityNamedIam)
            .template_body(template.to_string());
        let made = made.send().await.unwrap();
        client.execute_change_set().stack_name("cell").change_set_name("changes").send().await.unwrap();
        self.sandbox.settle().await;
        client.delete_change_set().change_set_name(made.id.unwrap()).send().await.unwrap();
        let stack = client.describe_stacks().stack_name("cell").send().await.unwrap().stacks.unwrap().remove(0);
        stack.stack_status.unwrap().to_string()
    }

    /// The reason of the first resource that failed.
    pub(crate) async fn failure(&self) -> String {
        let client = aws_sdk_cloudformation::Client::new(&self.config);
        let events = client.describe_stack_events().stack_name("cell").send().await.unwrap().stack_events.unwrap();
        let failed = |status: &str| status == "CREATE_FAILED" || status == "UPDATE_FAILED" || status == "DELETE_FAILED";
        let mut oldest_first = events.into_iter().rev();
        let event = oldest_first.find(|event| failed(event.resource_status.as_ref().unwrap().as_str())).unwrap();
        event.resource_status_reason.unwrap()
    }

    pub(crate) fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.config)
    }

    pub(crate) fn functions(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.config)
    }

    pub(crate) fn s3(&self) -> aws_sdk_s3::Client {
        clients::s3(&self.config)
    }

    pub(crate) fn cloudformation(&self) -> aws_sdk_cloudformation::Client {
        aws_sdk_cloudformation::Client::new(&self.config)
    }

    /// What the function has logged.
    pub(crate) async fn log(&self) -> String {
        self.sandbox.visit(|world| world.function_log(ACCOUNT, REGION, FUNCTION)).await
    }

    /// The operations so far, oldest first, of callers whose ARN contains `principal`.
    pub(crate) async fn calls(&self, principal: &'static str) -> Vec<String> {
        let calls = self.sandbox.visit(|world| world.calls().to_vec()).await;
        let theirs = calls.into_iter().filter(|call| call.principal.contains(principal));
        theirs.map(|call| call.operation).collect()
    }
}

/// The template of a cell.
pub(crate) fn template() -> Value {
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "lambda.amazonaws.com" },
            "Action": "sts:AssumeRole",
        }],
    });
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": ["secretsmanager:*", "logs:*"], "Resource": "*" }],
    });
    json!({
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": trust,
                    "Policies": [{ "PolicyName": "rotate", "PolicyDocument": policy }],
                },
            },
            "Log": {
                "Type": "AWS::Logs::LogGroup",
                "Properties": { "LogGroupName": format!("/aws/lambda/{FUNCTION}"), "RetentionInDays": 30 },
            },
            "Function": {
                "Type": "AWS::Lambda::Function",
                "DependsOn": "Log",
                "Properties": {
                    "FunctionName": FUNCTION,
                    "Runtime": "provided.al2023",
                    "Handler": "bootstrap",
                    "Code": { "S3Bucket": BUCKET, "S3Key": "code.zip" },
                    "Role": { "Fn::GetAtt": ["Role", "Arn"] },
                    "Timeout": 30,
                    "Environment": { "Variables": { "COLOUR": "green" } },
                },
            },
            "Permission": {
                "Type": "AWS::Lambda::Permission",
                "Properties": {
                    "Action": "lambda:InvokeFunction",
                    "FunctionName": { "Fn::GetAtt": ["Function", "Arn"] },
                    "Principal": "secretsmanager.amazonaws.com",
                    "SourceAccount": { "Ref": "AWS::AccountId" },
                },
            },
            "Secret": {
                "Type": "AWS::SecretsManager::Secret",
                "Properties": { "Name": SECRET, "SecretString": VALUE, "Tags": [{ "Key": "team", "Value": "a" }] },
            },
        },
    })
}

/// The ARN of the function of a cell.
pub(crate) fn function_arn() -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{FUNCTION}")
}

pub(crate) fn zip(script: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("bootstrap", zip::write::SimpleFileOptions::default().unix_permissions(0o755)).unwrap();
    zip.write_all(script.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}
