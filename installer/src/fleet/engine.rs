//! How a fleet is rolled out, and what StackSets can do of what its file says.

use std::time::Duration;

use clap::ValueEnum;

use super::Fleet;
use super::waves::{self, Pick, Tolerance, Wave};
use crate::aws::stack_sets::Permissions;
use crate::config::Problem;
use crate::config::fields::{Fault, Fields, Place};
use crate::config::line::Step;

/// Who brings the stacks into the accounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// keyturn itself, which enters every account.
    #[default]
    Direct,
    /// CloudFormation StackSets, with one template for all accounts.
    Stacksets,
}

impl Engine {
    pub(super) const CHOICES: [(&'static str, Self); 2] = [("direct", Self::Direct), ("stacksets", Self::Stacksets)];
}

/// How StackSets is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackSets {
    /// With whose permissions the stacks are made.
    pub permissions: Permissions,
    /// Whether the caller is a delegated administrator of the organization, not its management account.
    pub is_delegate: bool,
}

impl Default for StackSets {
    fn default() -> Self {
        Self { permissions: Permissions::ServiceManaged { follows_accounts: true }, is_delegate: false }
    }
}

/// Reads the section of the file.
pub(super) fn read(mut fields: Fields) -> Result<StackSets, Fault> {
    let is_own = fields.choice("permissions", &[("service-managed", false), ("self-managed", true)], false)?;
    let is_delegate = fields.choice("as", &[("management", false), ("delegated-administrator", true)], false)?;
    let follows_accounts = fields.optional("auto_deployment");
    let administration_role = fields.optional("administration_role").map(|field| {
        field
            .matching("the ARN of a role", |arn| arn.starts_with("arn:") && arn.contains(":role/") && arn.len() <= 2048)
    });
    let execution_role = fields.optional("execution_role").map(|field| {
        // IAM API reference: 64 characters.
        field.matching("the name of a role", |name| {
            let legal = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
            (1..=64).contains(&name.len()) && name.bytes().all(legal)
        })
    });
    let contradiction = |fields: &Fields, name: &str, text: &str| {
        Err(fields.place_of(name).fault(Problem::Contradiction(text.to_owned())))
    };
    if !is_own {
        for (name, is_given) in
            [("administration_role", administration_role.is_some()), ("execution_role", execution_role.is_some())]
        {
            if is_given {
                return contradiction(&fields, name, "is for `permissions: self-managed`");
            }
        }
        let follows_accounts = follows_accounts.map_or(Ok(true), |field| field.flag())?;
        return Ok(StackSets { permissions: Permissions::ServiceManaged { follows_accounts }, is_delegate });
    }
    if follows_accounts.is_some() {
        return contradiction(&fields, "auto_deployment", "is for `permissions: service-managed`");
    }
    if is_delegate {
        return contradiction(&fields, "as", "must be `management` with `permissions: self-managed`");
    }
    let (administration_role, execution_role) = (administration_role.transpose()?, execution_role.transpose()?);
    Ok(StackSets { permissions: Permissions::SelfManaged { administration_role, execution_role }, is_delegate })
}

/// Refuses what StackSets cannot do: it knows one template and no waves.
pub(super) fn check(fleet: &Fleet) -> Result<(), Fault> {
    let fault = |place: Place, text: &str| Err(place.fault(Problem::OneTemplate(text.to_owned())));
    if let Some(index) = fleet.accounts.iter().position(|(_, wanted)| *wanted != fleet.defaults) {
        let place = Place::of(&["accounts"]).then(Step::Index(index));
        return fault(place, "says what is different in an account, and one template serves all accounts");
    }
    if fleet.waves == waves::by_default() {
        return Ok(());
    }
    match fleet.waves.as_slice() {
        [Wave { pick: Pick::Percent(100), soak: Duration::ZERO, .. }] => Ok(()),
        _ => fault(
            Place::of(&["waves"]),
            "must be one wave, `percent: 100` without `soak`: StackSets goes through all accounts in one operation",
        ),
    }
}

/// How many accounts may fail before the operation ends.
pub fn tolerance(fleet: &Fleet) -> Tolerance {
    fleet.waves.last().map_or(Tolerance::Count(0), |wave| wave.tolerate)
}
