//! What whoever runs keyturn must be allowed to do: one table with the reason for each action, and the ARNs that it is
//! needed on. `keyturn doctor` asks IAM about every line of it.
//!
//! What CloudFormation does for a resource, it does with the caller's permissions; the actions are those of the handlers
//! in AWS's resource schemas.

use std::collections::BTreeMap;

use contract::AccountId;

use crate::config::Config;
use crate::names::{ARTIFACTS_STACK, SecretName};
use crate::observe::expected_cells;

/// An action that is needed, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// The IAM action.
    pub action: &'static str,
    /// What it is needed on.
    pub on: On,
    /// When it is needed.
    pub when: When,
    /// What for, as the end of a sentence: "to …".
    pub reason: &'static str,
}

/// What an action is needed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum On {
    /// IAM knows no narrower resource for it.
    Everything,
    /// The IAM users.
    Users,
    /// Their secrets.
    Secrets,
    /// Their secrets by name alone, as long as they are not there: the random end of the ARN is not known then.
    SecretNames,
    /// The stack of the function, and that of the bucket.
    Stacks,
    /// The function's role.
    Role,
    /// The managed policies of that role.
    Policies,
    /// The function.
    Function,
    /// The function's log.
    LogGroup,
    /// The sweeper's schedule.
    Rule,
    /// The rules that forward alarms and rotations.
    Forwards,
    /// The role that these forward as.
    ForwardRole,
    /// The alarms.
    Alarms,
    /// The dashboard.
    Dashboard,
    /// The topic of the alarms.
    Topic,
    /// The bucket of the function's code.
    Bucket,
    /// What is in that bucket.
    Objects,
    /// The KMS key of the secrets.
    KmsKey,
}

/// When an action is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// When keyturn makes the bucket itself.
    OwnBucket,
    /// When the function runs in a network of the account.
    Network,
    /// When the role has a permissions boundary.
    Boundary,
    /// When the secrets have a KMS key of the account's own.
    KmsKey,
    /// When the secrets have replicas.
    Replicas,
    /// When the stack has a dashboard.
    Dashboard,
    /// When alarms and rotations are forwarded to a central bus.
    Central,
    /// The same when the role that does it has a permissions boundary.
    BoundCentral,
    /// When alarms are told by e-mail.
    Mails,
    /// Only with `--drift`: what CloudFormation looks at, it looks at with the caller's permissions.
    Drift,
    /// The same of the bucket that keyturn makes itself.
    DriftOfBucket,
    /// The same of the topic that keyturn makes itself.
    DriftOfTopic,
    /// The same of what forwards to a central bus.
    DriftOfCentral,
}

macro_rules! table {
    ($($on:ident, $when:ident, $reason:literal: $($action:literal),+;)+) => {
        &[$($(Permission { action: $action, on: On::$on, when: When::$when, reason: $reason },)+)+]
    };
}

/// Everything that bootstrap, rotate, hold, rollback, revoke, status and teardown need. The permission to tag belongs to
/// it: CloudFormation puts tags of its own on most of what it makes, whatever the configuration says.
pub const PERMISSIONS: &[Permission] = table! {
    Users, Always, "look the users and their keys up": "iam:GetUser", "iam:ListAccessKeys", "iam:GetAccessKeyLastUsed";
    Users, Always, "retire keys with `teardown --keys revoke`": "iam:UpdateAccessKey", "iam:DeleteAccessKey";
    Everything, Always, "tell a deleted key from one of another account": "sts:GetAccessKeyInfo";
    Everything, Always, "see whether another deployment rotates the users": "iam:ListPolicies", "iam:GetPolicyVersion";
    Everything, Always, "find the secrets of the stack": "secretsmanager:ListSecrets";
    Secrets, Always, "look at the secrets and the ids of their keys":
        "secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue";
    SecretNames, Always, "see whether the secrets are there": "secretsmanager:DescribeSecret";
    Secrets, Always, "make the secrets": "secretsmanager:CreateSecret";
    Secrets, Always, "let secrets that are there join the stack": "secretsmanager:UpdateSecret";
    Secrets, Always, "bind, hold and release them": "secretsmanager:TagResource", "secretsmanager:UntagResource";
    Secrets, Always, "rotate them, and set their schedule": "secretsmanager:RotateSecret";
    Secrets, Always, "end their rotation":
        "secretsmanager:CancelRotateSecret", "secretsmanager:UpdateSecretVersionStage";
    Secrets, Always, "delete them with `teardown --keys revoke`": "secretsmanager:DeleteSecret";
    Stacks, Always, "look at the stacks":
        "cloudformation:DescribeStacks", "cloudformation:DescribeStackEvents", "cloudformation:ListStackResources",
        "cloudformation:GetTemplate";
    Stacks, Always, "deploy them":
        "cloudformation:CreateChangeSet", "cloudformation:DescribeChangeSet", "cloudformation:ExecuteChangeSet",
        "cloudformation:DeleteChangeSet", "cloudformation:CancelUpdateStack", "cloudformation:ContinueUpdateRollback";
    Stacks, Always, "take them away": "cloudformation:DeleteStack";
    Role, Always, "make the function's role": "iam:CreateRole", "iam:GetRole", "iam:AttachRolePolicy";
    Role, Always, "give the function its role": "iam:PassRole";
    Role, Always, "take the role away": "iam:DeleteRole", "iam:DetachRolePolicy";
    Role, Network, "let the function into the network": "iam:PutRolePolicy", "iam:DeleteRolePolicy";
    Role, Boundary, "bound the role": "iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary";
    Role, Always, "tag the role": "iam:TagRole", "iam:UntagRole";
    Policies, Always, "make the role's policies, and change them with the users":
        "iam:CreatePolicy", "iam:GetPolicy", "iam:CreatePolicyVersion", "iam:DeletePolicyVersion",
        "iam:ListPolicyVersions";
    Policies, Always, "take them away": "iam:DeletePolicy";
    Function, Always, "make the function": "lambda:CreateFunction", "lambda:GetFunction";
    Function, Always, "change it": "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration";
    Function, Always, "let Secrets Manager and the sweeper's schedule call it":
        "lambda:AddPermission", "lambda:GetPolicy", "lambda:RemovePermission";
    Function, Always, "call it, also through RotateSecret": "lambda:InvokeFunction";
    Function, Always, "see whether it is there": "lambda:GetFunctionConfiguration";
    Function, Always, "take it away": "lambda:DeleteFunction";
    Function, Always, "tag it": "lambda:TagResource", "lambda:UntagResource";
    Everything, Network, "put the function into the network":
        "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs";
    LogGroup, Always, "make the function's log": "logs:CreateLogGroup", "logs:PutRetentionPolicy";
    LogGroup, Always, "take it away": "logs:DeleteLogGroup";
    LogGroup, Always, "tag it": "logs:TagResource", "logs:UntagResource";
    Everything, Always, "look at the logs": "logs:DescribeLogGroups";
    Rule, Always, "make the sweeper's schedule": "events:PutRule", "events:DescribeRule", "events:PutTargets";
    Rule, Always, "take it away": "events:RemoveTargets", "events:DeleteRule";
    Rule, Always, "tag it": "events:TagResource", "events:UntagResource";
    Forwards, Central, "forward alarms and rotations": "events:PutRule", "events:DescribeRule", "events:PutTargets";
    Forwards, Central, "take that away": "events:RemoveTargets", "events:DeleteRule";
    Forwards, Central, "tag the rules": "events:TagResource", "events:UntagResource";
    ForwardRole, Central, "make the role that forwards": "iam:CreateRole", "iam:GetRole", "iam:PutRolePolicy";
    ForwardRole, Central, "give it to the rules": "iam:PassRole";
    ForwardRole, Central, "take it away": "iam:DeleteRole", "iam:DeleteRolePolicy";
    ForwardRole, BoundCentral, "bound it": "iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary";
    ForwardRole, Central, "tag it": "iam:TagRole", "iam:UntagRole";
    Alarms, Always, "make the alarms": "cloudwatch:PutMetricAlarm", "cloudwatch:DescribeAlarms";
    Alarms, Always, "take them away": "cloudwatch:DeleteAlarms";
    Alarms, Always, "tag them": "cloudwatch:TagResource", "cloudwatch:UntagResource";
    Dashboard, Dashboard, "make the dashboard": "cloudwatch:PutDashboard", "cloudwatch:GetDashboard";
    Dashboard, Dashboard, "take it away": "cloudwatch:DeleteDashboards";
    Topic, Mails, "make the topic of the alarms":
        "sns:CreateTopic", "sns:SetTopicAttributes", "sns:GetTopicAttributes", "sns:Subscribe";
    Topic, Mails, "take it away": "sns:DeleteTopic";
    Everything, Mails, "take its subscriptions away": "sns:Unsubscribe";
    Topic, Mails, "tag it": "sns:TagResource", "sns:UntagResource";
    Secrets, Replicas, "replicate the secrets":
        "secretsmanager:ReplicateSecretToRegions", "secretsmanager:RemoveRegionsFromReplication";
    Bucket, OwnBucket, "make the bucket of the function's code":
        "s3:CreateBucket", "s3:PutBucketVersioning", "s3:PutEncryptionConfiguration", "s3:PutBucketPublicAccessBlock",
        "s3:PutBucketOwnershipControls", "s3:PutLifecycleConfiguration", "s3:PutBucketPolicy";
    Bucket, OwnBucket, "empty it and take it away": "s3:ListBucketVersions", "s3:DeleteBucketPolicy", "s3:DeleteBucket";
    Bucket, OwnBucket, "tag it": "s3:PutBucketTagging";
    Bucket, Always, "see what is in the bucket": "s3:ListBucket";
    Objects, Always, "upload the function, and have Lambda fetch it": "s3:PutObject", "s3:GetObject";
    Objects, OwnBucket, "empty the bucket": "s3:DeleteObjectVersion";
    KmsKey, KmsKey, "encrypt the secrets": "kms:GenerateDataKey", "kms:Decrypt";
    Stacks, Drift, "look for drift":
        "cloudformation:DetectStackDrift", "cloudformation:DetectStackResourceDrift",
        "cloudformation:DescribeStackResourceDrifts";
    Everything, Drift, "look for drift": "cloudformation:DescribeStackDriftDetectionStatus";
    Role, Drift, "look for drift of the role":
        "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:GetRolePolicy";
    Policies, Drift, "look for drift of its policies": "iam:ListEntitiesForPolicy";
    Function, Drift, "look for drift of the function":
        "lambda:GetFunctionCodeSigningConfig", "lambda:GetFunctionRecursionConfig";
    LogGroup, Drift, "look for drift of its log": "logs:ListTagsForResource", "logs:GetDataProtectionPolicy";
    Rule, Drift, "look for drift of the schedule": "events:ListTargetsByRule";
    Forwards, DriftOfCentral, "look for drift of what forwards": "events:ListTargetsByRule";
    ForwardRole, DriftOfCentral, "look for drift of what forwards":
        "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:GetRolePolicy";
    Alarms, Drift, "look for drift of the alarms": "cloudwatch:ListTagsForResource";
    Topic, DriftOfTopic, "look for drift of the topic":
        "sns:ListTagsForResource", "sns:ListSubscriptionsByTopic", "sns:GetDataProtectionPolicy";
    Everything, DriftOfTopic, "look for drift of its subscriptions": "sns:GetSubscriptionAttributes";
    Bucket, DriftOfBucket, "look for drift of the bucket":
        "s3:GetBucketPolicy", "s3:GetBucketVersioning", "s3:GetEncryptionConfiguration",
        "s3:GetBucketPublicAccessBlock", "s3:GetBucketOwnershipControls", "s3:GetLifecycleConfiguration",
        "s3:GetBucketTagging", "s3:GetAccelerateConfiguration", "s3:GetAnalyticsConfiguration", "s3:GetBucketCORS",
        "s3:GetMetricsConfiguration", "s3:GetBucketLogging", "s3:GetInventoryConfiguration",
        "s3:GetBucketNotification", "s3:GetReplicationConfiguration", "s3:GetBucketWebsite",
        "s3:GetBucketObjectLockConfiguration", "s3:GetIntelligentTieringConfiguration";
};

/// What whoever rolls out with StackSets needs beside the bucket's part of [`PERMISSIONS`]: actions, and what for. `doctor`
/// is about a single account and does not ask for them.
pub const STACK_SETS: [(&str, &str); 17] = [
    ("organizations:DescribeOrganization", "know whom to let into the bucket"),
    ("organizations:ListRoots", "find accounts that are named"),
    ("organizations:ListAccountsForParent", "find the accounts of the units"),
    ("organizations:ListOrganizationalUnitsForParent", "find the units below the units"),
    ("cloudformation:DescribeOrganizationsAccess", "see whether StackSets may work in the accounts"),
    ("cloudformation:DescribeStackSet", "look at the set"),
    ("cloudformation:ListStackInstances", "look at the stacks of the accounts"),
    ("cloudformation:ListStackSetOperations", "wait for others who work on the set"),
    ("cloudformation:DescribeStackSetOperation", "follow an operation"),
    ("cloudformation:ListStackSetOperationResults", "tell what came of each account"),
    ("cloudformation:CreateStackSet", "make the set"),
    ("cloudformation:UpdateStackSet", "update the set and its stacks"),
    ("cloudformation:CreateStackInstances", "bring stacks into accounts"),
    ("cloudformation:StopStackSetOperation", "stop after Ctrl-C"),
    ("cloudformation:DeleteStackInstances", "take stacks away"),
    ("cloudformation:DeleteStackSet", "take the set away"),
    ("cloudformation:ListStackSets", "see whether another set uses the bucket"),
];

/// What whoever rolls out needs beside [`PERMISSIONS`] for the place in which the events and alarms of all accounts come
/// together.
pub const CENTRAL: [(&str, &str); 7] = [
    ("organizations:DescribeOrganization", "know whom to let put events on the bus"),
    ("events:CreateEventBus", "make the bus"),
    ("events:PutPermission", "let the organization put events on it"),
    ("events:RemovePermission", "take that away"),
    ("events:DeleteEventBus", "take the bus away"),
    ("logs:PutResourcePolicy", "let what comes on the bus into its log"),
    ("logs:DeleteResourcePolicy", "take that away"),
];

impl When {
    /// Whether it is only for something that one can do without.
    pub fn is_optional(self) -> bool {
        matches!(self, Self::Drift | Self::DriftOfBucket | Self::DriftOfTopic | Self::DriftOfCentral)
    }

    /// Whether a configuration needs it.
    pub fn holds(self, config: &Config) -> bool {
        match self {
            Self::Always | Self::Drift => true,
            Self::OwnBucket | Self::DriftOfBucket => config.artifact_bucket.is_none(),
            Self::Network => config.function.vpc.is_some(),
            Self::Boundary => config.permissions_boundary.is_some(),
            Self::KmsKey => config.kms_key.is_some(),
            Self::Replicas => !config.replicas.is_empty(),
            Self::Dashboard => config.alerts.dashboard,
            Self::Mails | Self::DriftOfTopic => !config.alerts.email.is_empty(),
            Self::Central | Self::DriftOfCentral => config.alerts.central.is_some(),
            Self::BoundCentral => Self::Central.holds(config) && Self::Boundary.holds(config),
        }
    }
}

/// Where the actions are needed: an account, and what a configuration has in it.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: &'a str,
    /// The account.
    pub account: &'a AccountId,
    /// The configuration.
    pub config: &'a Config,
    /// The name of the bucket.
    pub bucket: &'a str,
    /// The ARNs of the users that are there.
    pub users: &'a [String],
    /// The names of their secrets.
    pub secrets: &'a [SecretName],
}

/// What the alarms are called behind the name of their stack, as the template has it.
const ALARMS: [&str; 5] = ["sweeper", "errors", "blocked", "stuck", "age"];

/// What the random ends of names that AWS makes up may look like: of secrets, of resources of a stack, and of stacks.
pub const SIX: &str = "AbCdEf";
#[expect(missing_docs, reason = "see above")]
pub const TWELVE: &str = "1A2B3C4D5E6F";
#[expect(missing_docs, reason = "see above")]
pub const UUID: &str = "00000000-0000-0000-0000-000000000000";

impl Scope<'_> {
    /// The ARNs of what an action is needed on; those that are not there yet as they may be once they are.
    pub fn arns(&self, on: On) -> Vec<String> {
        let Self { partition, account, config, bucket, users, secrets } = *self;
        let region = &config.region;
        let cells: Vec<String> = (1..=expected_cells(config)).map(|number| config.stack.cell(number)).collect();
        let each = |arn: &dyn Fn(&str) -> String| cells.iter().map(|stack| arn(stack)).collect();
        let regional = |service: &str, rest: &str| format!("arn:{partition}:{service}:{region}:{account}:{rest}");
        let path = config.role_path.as_deref().unwrap_or("/");
        match on {
            On::Everything => vec!["*".to_owned()],
            On::Users => users.to_vec(),
            On::Secrets => {
                secrets.iter().map(|name| regional("secretsmanager", &format!("secret:{name}-{SIX}"))).collect()
            }
            On::SecretNames => {
                secrets.iter().map(|name| regional("secretsmanager", &format!("secret:{name}"))).collect()
            }
            On::Stacks => {
                let artifacts = config.artifact_bucket.is_none().then_some(ARTIFACTS_STACK);
                // Whether there is one cell more is asked too.
                let next = config.stack.cell(cells.len() + 1);
                let names = cells.iter().map(String::as_str).chain([next.as_str()]).chain(artifacts);
                names.map(|name| regional("cloudformation", &format!("stack/{name}/{UUID}"))).collect()
            }
            On::ForwardRole => {
                each(&|stack| format!("arn:{partition}:iam::{account}:role{path}{stack}-ForwardRole-{TWELVE}"))
            }
            On::Role => each(&|stack| format!("arn:{partition}:iam::{account}:role{path}{stack}-Role-{TWELVE}")),
            // There are more of the second kind when there are many users.
            On::Policies => {
                let policy =
                    |stack: &String, id| format!("arn:{partition}:iam::{account}:policy{path}{stack}-{id}-{TWELVE}");
                cells.iter().flat_map(|stack| ["FunctionPolicy", "UserPolicy1"].map(|id| policy(stack, id))).collect()
            }
            On::Function => each(&|stack| regional("lambda", &format!("function:{stack}"))),
            On::LogGroup => each(&|stack| regional("logs", &format!("log-group:/aws/lambda/{stack}"))),
            On::Rule => each(&|stack| regional("events", &format!("rule/{stack}-sweeper"))),
            On::Forwards => {
                let first = regional("events", &format!("rule/{}-rotations", config.stack));
                let rules = cells.iter().map(|stack| regional("events", &format!("rule/{stack}-forward")));
                rules.chain([first]).collect()
            }
            On::Alarms => {
                let alarm = |stack: &String, name| regional("cloudwatch", &format!("alarm:{stack}-{name}"));
                cells.iter().flat_map(|stack| ALARMS.map(|name| alarm(stack, name))).collect()
            }
            On::Dashboard => each(&|stack| format!("arn:{partition}:cloudwatch::{account}:dashboard/{stack}-{region}")),
            On::Topic => each(&|stack| regional("sns", &format!("{stack}-alerts"))),
            On::Bucket => vec![format!("arn:{partition}:s3:::{bucket}")],
            On::Objects => vec![format!("arn:{partition}:s3:::{bucket}/keyturn/{UUID}.zip")],
            On::KmsKey => config.kms_key.iter().cloned().collect(),
        }
    }

    /// The condition keys that a request for an action carries, beyond those that IAM adds to every one.
    pub fn context(&self, on: On) -> BTreeMap<&'static str, String> {
        let domain = if self.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        match on {
            On::Role => {
                let boundary = self.config.permissions_boundary.iter();
                let boundary = boundary.map(|policy| ("iam:PermissionsBoundary", policy.clone()));
                let policies = self.arns(On::Policies).into_iter().take(1).map(|policy| ("iam:PolicyARN", policy));
                let service = ("iam:PassedToService", "lambda.amazonaws.com".to_owned());
                boundary.chain(policies).chain([service]).collect()
            }
            On::ForwardRole => {
                let boundary = self.config.permissions_boundary.iter();
                let boundary = boundary.map(|policy| ("iam:PermissionsBoundary", policy.clone()));
                boundary.chain([("iam:PassedToService", "events.amazonaws.com".to_owned())]).collect()
            }
            On::KmsKey => [("kms:ViaService", format!("secretsmanager.{}.{domain}", self.config.region))].into(),
            _ => BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use contract::{Region, UserName};

    use super::*;

    #[test]
    fn every_action_stands_there_once_with_a_form_and_a_reason() {
        let mut seen = BTreeSet::new();
        for permission in PERMISSIONS {
            let Permission { action, on, reason, .. } = *permission;
            assert!(seen.insert((action, on)), "{action} twice");
            let (service, name) = action.split_once(':').unwrap();
            assert!(!service.is_empty() && name.starts_with(|c: char| c.is_ascii_uppercase()), "{action}");
            assert!(!reason.is_empty() && !reason.ends_with('.'), "{action}");
        }
    }

    #[test]
    fn arns_follow_the_configuration() {
        let mut config =
            Config::for_users(Region::new("cn-north-1").unwrap(), vec![UserName::new("alice").unwrap()]).unwrap();
        config.role_path = Some("/keyturn/".to_owned());
        let account = AccountId::new("111122223333").unwrap();
        let secrets = [SecretName::new("keyturn/alice").unwrap()];
        let users = ["arn:aws-cn:iam::111122223333:user/alice".to_owned()];
        let scope = Scope {
            partition: "aws-cn",
            account: &account,
            config: &config,
            bucket: "b",
            users: &users,
            secrets: &secrets,
        };
        assert_eq!(scope.arns(On::Users), users);
        assert_eq!(
            scope.arns(On::Secrets),
            ["arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:keyturn/alice-AbCdEf"]
        );
        assert_eq!(scope.arns(On::Role), ["arn:aws-cn:iam::111122223333:role/keyturn/keyturn-Role-1A2B3C4D5E6F"]);
        assert_eq!(scope.arns(On::Stacks).len(), 3, "the cell, the one that could come next, and the bucket's");
        let bucket = Config { artifact_bucket: Some("b".to_owned()), ..config.clone() };
        assert_eq!(Scope { config: &bucket, ..scope }.arns(On::Stacks).len(), 2, "no stack of the bucket");
        assert!(When::OwnBucket.holds(&config) && !When::OwnBucket.holds(&bucket) && !When::Network.holds(&config));
    }
}
