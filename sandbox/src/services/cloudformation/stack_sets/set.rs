//! A stack set: what its stacks are built from, by whose permission, and its instances.

use std::collections::BTreeMap;

use super::super::blueprint::{Blueprint, Draft, Identity};
use super::super::parameters::Given;
use super::operation::Operation;
use super::targets::{Extent, Targets};
use crate::ApiError;

/// A stack set.
#[derive(Debug)]
pub(in super::super) struct StackSet {
    /// The name, a colon, and a UUID.
    pub(super) id: String,
    pub(super) arn: String,
    pub(super) name: String,
    /// The account that it is in: of service-managed ones always the management account, whoever has made them.
    pub(super) account: String,
    pub(super) region: String,
    pub(super) description: Option<String>,
    pub(super) permissions: Permissions,
    pub(super) recipe: Recipe,
    /// Whether operations that do not get in each other's way run at the same time, and the others wait.
    pub(super) managed_execution: bool,
    /// The token that it was created with.
    pub(super) token: Option<String>,
    pub(super) deleted: bool,
    pub(super) instances: BTreeMap<Place, Instance>,
    /// Oldest first.
    pub(super) operations: Vec<Operation>,
}

/// By whose permission the stacks are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Permissions {
    /// By that of a role which StackSets puts into the accounts of the organization.
    ServiceManaged {
        auto_deployment: AutoDeployment,
        /// What is covered of each unit, by region.
        units: BTreeMap<String, BTreeMap<String, Extent>>,
    },
    /// By that of roles which somebody has made: one here, whose ARN this is, and one of this name in each account.
    SelfManaged { administration_role: String, execution_role: String },
}

/// What becomes of accounts that come and go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct AutoDeployment {
    pub(super) enabled: bool,
    pub(super) retains: bool,
}

/// What the stacks are built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    pub(super) body: String,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) capabilities: Vec<String>,
}

/// Where an instance is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Place {
    pub(super) account: String,
    pub(super) region: String,
}

/// A stack of the set, or the intention to have one.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    /// Its id; `None` while nothing has been built.
    pub(super) stack: Option<String>,
    pub(super) unit: Option<String>,
    /// Parameters that have other values here.
    pub(super) overrides: BTreeMap<String, String>,
    pub(super) status: InstanceStatus,
    pub(super) detailed: Detailed,
    pub(super) reason: Option<String>,
    /// The id of the operation that was last about it.
    pub(super) last_operation: String,
}

/// How an instance stands to its set (API reference, StackInstance, Status).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InstanceStatus {
    Current,
    /// The last operation has failed, or has not come to it.
    Outdated,
    /// It could not be deleted; only a deletion that retains the stack is still possible.
    Inoperable,
}

/// How its last operation went (API reference, StackInstanceComprehensiveStatus).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detailed {
    Pending,
    Running,
    Succeeded,
    Failed,
    Cancelled,
    Inoperable,
    SkippedSuspendedAccount,
}

impl StackSet {
    pub(super) fn is_service_managed(&self) -> bool {
        matches!(self.permissions, Permissions::ServiceManaged { .. })
    }

    /// From now on the units of these targets are covered in these regions.
    pub(super) fn cover(&mut self, targets: &Targets, wanted: &[String]) {
        let Permissions::ServiceManaged { units, .. } = &mut self.permissions else { return };
        let extent = targets.extent();
        for unit in &targets.units {
            let regions = units.entry(unit.clone()).or_default();
            for region in wanted {
                let together = regions.get(region).map_or_else(|| extent.clone(), |before| before.with(&extent));
                regions.insert(region.clone(), together);
            }
        }
    }

    /// They are no longer.
    pub(super) fn uncover(&mut self, targets: &Targets, given_up: &[String]) {
        let Permissions::ServiceManaged { units, .. } = &mut self.permissions else { return };
        for unit in &targets.units {
            let Some(regions) = units.get_mut(unit) else { continue };
            for region in given_up {
                if let Some(left) = regions.remove(region).and_then(|before| before.without(&targets.extent())) {
                    regions.insert(region.clone(), left);
                }
            }
        }
        units.retain(|_, regions| !regions.is_empty());
    }

    /// Where an operation on the whole set works.
    pub(super) fn operable(&self) -> impl Iterator<Item = &Place> {
        self.instances.iter().filter(|(_, it)| it.status != InstanceStatus::Inoperable).map(|(place, _)| place)
    }

    /// The operations that are not over.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(|operation| !operation.status.is_final())
    }
}

impl Recipe {
    /// A blueprint for one stack; `before` is what that is built from now.
    pub(super) fn blueprint(
        &self,
        identity: &Identity,
        overrides: &BTreeMap<String, String>,
        before: Option<&Blueprint>,
    ) -> Result<Blueprint, ApiError> {
        let mut parameters = self.parameters.clone();
        parameters.extend(overrides.clone());
        let parameters = parameters.into_iter().map(|(name, value)| (name, Given::Value(value)));
        let draft = Draft {
            body: self.body.clone(),
            parameters: parameters.collect(),
            tags: self.tags.clone(),
            capabilities: self.capabilities.clone(),
        };
        Blueprint::draw(identity, draft, before)
    }
}

impl Instance {
    /// One that is still to be built.
    pub(super) fn planned(unit: Option<String>, operation: &str) -> Self {
        Self {
            stack: None,
            unit,
            overrides: BTreeMap::new(),
            status: InstanceStatus::Outdated,
            detailed: Detailed::Pending,
            reason: None,
            last_operation: operation.to_owned(),
        }
    }
}

impl InstanceStatus {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Current => "CURRENT",
            Self::Outdated => "OUTDATED",
            Self::Inoperable => "INOPERABLE",
        }
    }
}

impl Detailed {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Inoperable => "INOPERABLE",
            Self::SkippedSuspendedAccount => "SKIPPED_SUSPENDED_ACCOUNT",
        }
    }
}
