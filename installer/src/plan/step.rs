//! The steps of a plan, as values.

use std::collections::BTreeMap;

use contract::{SecretArn, UserName, VersionToken};
use serde::Serialize;

use super::{Deployment, GivenUpKey};

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "step")]
pub enum Step {
    /// Bring the stack of the artifact bucket to its template.
    DeployArtifacts(Deployment),
    /// Store the function's code in the bucket.
    UploadCode {
        /// The key in the bucket.
        key: String,
        /// Why.
        reason: String,
    },
    /// Give a function the code back that was deployed.
    RestoreCode {
        /// The stack, and the function.
        stack: String,
        /// The key of the code in the bucket.
        key: String,
        /// Why.
        reason: String,
    },
    /// Bind secrets that exist to their users: from then on they are keyturn's.
    Adopt {
        /// The secrets.
        secrets: Vec<Adoption>,
        /// Why.
        reason: String,
    },
    /// Take back what rotations that never came to their end have left in secrets that join the stack: Secrets Manager
    /// refuses to set a schedule before.
    ClearPending {
        /// The versions that those rotations were making.
        versions: BTreeMap<SecretArn, VersionToken>,
        /// Why.
        reason: String,
    },
    /// Bring a stack of a function and its users to its template.
    DeployCell(Deployment),
    /// Delete the stack of a cell that nobody is in any more. The secrets of those who were in it stay.
    DeleteCell {
        /// The name of the stack.
        stack: String,
        /// Its id.
        id: String,
        /// Why.
        reason: String,
    },
    /// Tell the function which keys a person has given up.
    GiveUp {
        /// The keys.
        keys: Vec<GivenUpKey>,
        /// Why.
        reason: String,
    },
    /// Give users their first managed key.
    RotateFirst {
        /// The users, as IAM spells them, and the names of their secrets.
        users: BTreeMap<UserName, String>,
        /// The stacks of those users whose last deployment did not wait until the function can work, and whose run may
        /// have ended before it did.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        awaits: Vec<String>,
        /// Why.
        reason: String,
    },
}

impl Step {
    /// The deployment, if it is one.
    pub fn as_deployment(&self) -> Option<&Deployment> {
        match self {
            Self::DeployArtifacts(deployment) | Self::DeployCell(deployment) => Some(deployment),
            Self::UploadCode { .. }
            | Self::RestoreCode { .. }
            | Self::DeleteCell { .. }
            | Self::Adopt { .. }
            | Self::ClearPending { .. }
            | Self::GiveUp { .. }
            | Self::RotateFirst { .. } => None,
        }
    }

    /// The deployment of a cell, if it is one.
    pub fn as_cell(&self) -> Option<&Deployment> {
        if let Self::DeployCell(deployment) = self { Some(deployment) } else { None }
    }
}

/// A secret that is taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Adoption {
    /// Whose it is, as IAM spells it.
    pub user: UserName,
    /// Its name.
    pub secret: String,
    /// Its ARN.
    pub arn: SecretArn,
    /// The tags that bind it.
    pub tags: BTreeMap<String, String>,
}
