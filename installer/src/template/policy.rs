//! The permissions of the function on the users and their secrets: exact names only, in policies that IAM takes.

use contract::Region;
use serde::Serialize;

use super::resource::{Intrinsic, Resource};
use super::{BoundUser, TemplateError};
use crate::names::SecretName;

/// How long a managed policy may be, not counting white space (IAM quotas).
const POLICY_CHARACTERS: usize = 6_144;

/// A role may have 10 managed policies unless the quota is raised (IAM quotas). One is the function's own.
const POLICIES: usize = 9;

/// The actions on a user. All of them are needed: for reading what is there, making a key and retiring one.
const ON_USERS: [&str; 6] = [
    "iam:GetUser",
    "iam:ListAccessKeys",
    "iam:GetAccessKeyLastUsed",
    "iam:CreateAccessKey",
    "iam:UpdateAccessKey",
    "iam:DeleteAccessKey",
];

/// The actions on a secret.
const ON_SECRETS: [&str; 8] = [
    "secretsmanager:DescribeSecret",
    "secretsmanager:ListSecretVersionIds",
    "secretsmanager:GetSecretValue",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
    "secretsmanager:RotateSecret",
    "secretsmanager:TagResource",
    "secretsmanager:UntagResource",
];

/// A user and the secret, as ARNs in which CloudFormation writes partition, region and account.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    user: String,
    secret: String,
}

impl Grant {
    /// What the function needs for one user.
    ///
    /// The user's path is part of the ARN. A path may hold what a policy or CloudFormation gives a meaning; then no
    /// policy could name this user and nobody else.
    pub(super) fn new(user: &BoundUser, secret: &SecretName) -> Result<Self, TemplateError> {
        let named = user.arn.splitn(6, ':').nth(5).and_then(|resource| resource.strip_prefix("user/"));
        let named = named.filter(|rest| *rest == user.name.as_str() || rest.ends_with(&format!("/{}", user.name)));
        match named {
            Some(named) if !named.contains(['*', '?', '$']) => Ok(Self {
                user: format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:user/{named}"),
                // The six characters that Secrets Manager appends are not known before the secret is there.
                secret: format!(
                    "arn:${{AWS::Partition}}:secretsmanager:${{AWS::Region}}:${{AWS::AccountId}}:secret:{secret}-??????"
                ),
            }),
            _ => Err(TemplateError::UserArn { user: user.name.clone(), arn: user.arn.clone() }),
        }
    }

    /// How many characters the grant takes in a policy, with the longest partition there is. Nothing in an ARN of ours is
    /// white space, and JSON is written without any.
    fn characters(&self, region: &Region) -> usize {
        let resolved = |arn: &str| {
            let arn = arn.replace("${AWS::Partition}", "aws-us-gov").replace("${AWS::AccountId}", "111122223333");
            arn.replace("${AWS::Region}", region.as_str())
        };
        let entry = |arn: &str| serde_json::to_string(&resolved(arn)).map_or(POLICY_CHARACTERS, |text| text.len() + 1);
        entry(&self.user) + entry(&self.secret)
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ManagedPolicy {
    description: &'static str,
    path: String,
    roles: [Intrinsic; 1],
    policy_document: Document<Intrinsic>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<R> {
    version: &'static str,
    statement: [Statement<R>; 2],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement<R> {
    sid: &'static str,
    effect: &'static str,
    action: &'static [&'static str],
    resource: Vec<R>,
}

/// The policies for all users, each as long as IAM lets it be.
pub(super) fn policies(
    grants: &[Grant],
    region: &Region,
    path: &str,
) -> Result<Vec<Resource<ManagedPolicy>>, TemplateError> {
    let mut policies = Vec::new();
    let mut rest = grants;
    while !rest.is_empty() {
        let mut room = room();
        let fitting = rest.iter().take_while(|grant| {
            room = room.and_then(|room| room.checked_sub(grant.characters(region)));
            room.is_some()
        });
        let (some, others) = rest.split_at(fitting.count());
        if some.is_empty() || policies.len() == POLICIES {
            return Err(TemplateError::TooManyUsers { fitting: grants.len() - rest.len(), asked: grants.len() });
        }
        policies.push(Resource::new("AWS::IAM::ManagedPolicy", policy(some, path)));
        rest = others;
    }
    Ok(policies)
}

/// How many characters a policy has for grants.
fn room() -> Option<usize> {
    let empty = serde_json::to_string(&document(&[], str::to_owned)).ok()?;
    // The last entry of each list is followed by no comma.
    POLICY_CHARACTERS.checked_sub(empty.len()).map(|room| room + 2)
}

/// Says of users one after another whether the policies of a role have room for them, in whatever order they then stand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filling {
    characters: usize,
    longest: usize,
}

impl Filling {
    /// The same with one user more; `None` when there might be no room.
    ///
    /// # Errors
    /// [`TemplateError::UserArn`].
    pub fn with(self, user: &BoundUser, secret: &SecretName, region: &Region) -> Result<Option<Self>, TemplateError> {
        let characters = Grant::new(user, secret)?.characters(region);
        let filling = Self { characters: self.characters + characters, longest: self.longest.max(characters) };
        // What is left free in a policy is less than the grant that stands first in the next one.
        let certain = room().and_then(|room| room.checked_sub(filling.longest)).map(|room| POLICIES * room);
        Ok(certain.filter(|certain| filling.characters <= *certain).map(|_| filling))
    }
}

fn policy(grants: &[Grant], path: &str) -> ManagedPolicy {
    ManagedPolicy {
        description: "What the rotation function needs for some of the users",
        path: path.to_owned(),
        roles: [Intrinsic::Ref("Role".to_owned())],
        policy_document: document(grants, |arn| Intrinsic::Sub(arn.to_owned())),
    }
}

fn document<R>(grants: &[Grant], resource: impl Fn(&str) -> R) -> Document<R> {
    let users = grants.iter().map(|grant| resource(&grant.user)).collect();
    let secrets = grants.iter().map(|grant| resource(&grant.secret)).collect();
    let keys = Statement { sid: "Keys", effect: "Allow", action: &ON_USERS, resource: users };
    let secrets = Statement { sid: "Secrets", effect: "Allow", action: &ON_SECRETS, resource: secrets };
    Document { version: "2012-10-17", statement: [keys, secrets] }
}
