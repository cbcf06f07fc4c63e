//! A function: its configuration, its code and its resource policy.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::services::iam;
use crate::{ApiError, World, partition};

/// A function.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) configuration: Configuration,
    pub(super) code: Code,
    /// The statements of the resource policy, by their ids.
    pub(super) policy: BTreeMap<String, Value>,
    pub(super) modified: Timestamp,
    /// When it can be invoked, and runs what it was changed to.
    pub(super) ready: Timestamp,
    /// Changes with every change of code or configuration.
    pub(super) revision: String,
}

/// Everything about a function that is not code.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Configuration {
    pub(super) description: Option<String>,
    pub(super) role: String,
    pub(super) runtime: String,
    pub(super) handler: String,
    pub(super) architecture: String,
    /// In seconds.
    pub(super) timeout: u32,
    /// In MB.
    pub(super) memory: u32,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) key: Option<String>,
    /// ReservedConcurrentExecutions.
    pub(super) concurrency: Option<usize>,
    pub(super) logging: Logging,
    pub(super) vpc: Option<Value>,
    pub(super) tags: BTreeMap<String, String>,
}

/// LoggingConfig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Logging {
    pub(super) group: String,
    pub(super) is_json: bool,
    /// ApplicationLogLevel, which the function is told; it applies to JSON alone.
    pub(super) level: Option<String>,
}

/// The zip.
#[derive(Debug, Clone)]
pub(super) struct Code {
    pub(super) zip: Arc<[u8]>,
    /// In base 64, as Lambda shows it.
    pub(super) sha256: String,
}

impl Code {
    pub(super) fn new(zip: Arc<[u8]>) -> Self {
        let sha256 = BASE64_STANDARD.encode(Sha256::digest(&zip));
        Self { zip, sha256 }
    }
}

impl Function {
    /// The form of GetFunctionConfiguration. Only an express deployment leaves a function that is not Active yet.
    pub(super) fn to_json(&self, now: Timestamp) -> Value {
        let (state, update) = if self.ready > now { ("Pending", "InProgress") } else { ("Active", "Successful") };
        let configuration = &self.configuration;
        let mut shown = json!({
            "FunctionName": self.name,
            "FunctionArn": self.arn,
            "Runtime": configuration.runtime,
            "Role": configuration.role,
            "Handler": configuration.handler,
            "CodeSize": self.code.zip.len(),
            "Description": configuration.description.as_deref().unwrap_or_default(),
            "Timeout": configuration.timeout,
            "MemorySize": configuration.memory,
            "LastModified": self.modified.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string(),
            "CodeSha256": self.code.sha256,
            "Version": "$LATEST",
            "RevisionId": self.revision,
            "State": state,
            "LastUpdateStatus": update,
            "PackageType": "Zip",
            "Architectures": [configuration.architecture],
            "LoggingConfig": {
                "LogFormat": if configuration.logging.is_json { "JSON" } else { "Text" },
                "LogGroup": configuration.logging.group,
            },
        });
        if let Some(fields) = shown.as_object_mut() {
            if !configuration.environment.is_empty() {
                fields.insert("Environment".into(), json!({ "Variables": configuration.environment }));
            }
            fields.extend(configuration.vpc.clone().map(|vpc| ("VpcConfig".into(), vpc)));
            fields.extend(configuration.key.clone().map(|key| ("KMSKeyArn".into(), key.into())));
        }
        shown
    }

    /// The resource policy; `None` when it has no statement.
    pub(super) fn policy_document(&self) -> Option<Value> {
        let statements: Vec<&Value> = self.policy.values().collect();
        let document = json!({ "Version": "2012-10-17", "Id": "default", "Statement": statements });
        (!statements.is_empty()).then_some(document)
    }
}

/// The ARN of a function.
pub(super) fn arn_of(account: &str, region: &str, name: &str) -> String {
    format!("arn:{}:lambda:{region}:{account}:function:{name}", partition::of(region))
}

/// Says when a function can be invoked.
pub(crate) fn is_ready_at(world: &mut World, arn: &str, ready: Timestamp) {
    if let Some(function) = world.lambda.functions.get_mut(arn) {
        function.ready = ready;
    }
}

/// Whether there is a function with this ARN.
pub(crate) fn exists(world: &World, arn: &str) -> bool {
    world.lambda.functions.contains_key(arn)
}

/// Whether the function's resource policy lets a service call it, on behalf of the resource `source`.
pub(crate) fn admits(world: &World, arn: &str, service: &str, source: &str) -> Result<bool, ApiError> {
    let function = world.lambda.functions.get(arn).ok_or_else(|| not_found(arn))?;
    let account = source.split(':').nth(4).unwrap_or_default();
    let context = BTreeMap::from([
        ("aws:SourceAccount".to_owned(), account.to_owned()),
        ("aws:SourceArn".to_owned(), source.to_owned()),
    ]);
    let Some(policy) = function.policy_document() else { return Ok(false) };
    iam::resource_policy_allows(&policy, service, "lambda:InvokeFunction", arn, &context)
}

pub(super) fn not_found(arn: &str) -> ApiError {
    ApiError::new("ResourceNotFoundException", format!("Function not found: {arn}")).with_status(404)
}

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterValueException", message)
}
