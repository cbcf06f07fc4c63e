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
    let refused =
        |fields: &Fields, name: &str, text: &str| Err(fields.place_of(name).fault(Problem::Limit(text.to_owned())));
    if !is_own {
        for (name, is_given) in
            [("administration_role", administration_role.is_some()), ("execution_role", execution_role.is_some())]
        {
            if is_given {
                return refused(&fields, name, "is for `permissions: self-managed`");
            }
        }
        let follows_accounts = follows_accounts.map_or(Ok(true), |field| field.flag())?;
        return Ok(StackSets { permissions: Permissions::ServiceManaged { follows_accounts }, is_delegate });
    }
    if follows_accounts.is_some() {
        return refused(&fields, "auto_deployment", "is for `permissions: service-managed`");
    }
    if is_delegate {
        return refused(&fields, "as", "must be `management` with `permissions: self-managed`");
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::fleet::manifest;

    fn read(top: &str) -> Result<Fleet, String> {
        let text = format!(
            "version: 1\nunits: [r-abcd]\n{top}\ndefaults: {{ region: eu-central-1, users: {{ select: {{ path: / }} }} }}\n"
        );
        let read = manifest::parse_enrolling(Path::new("fleet.yaml"), &text);
        read.map(|(fleet, _)| fleet).map_err(|error| error.to_string())
    }

    #[test]
    fn the_section_says_how_stack_sets_is_asked() {
        let fleet = read("").unwrap();
        assert_eq!((fleet.engine, fleet.stack_sets), (Engine::Direct, StackSets::default()));
        let fleet =
            read("engine: stacksets\nstacksets: { as: delegated-administrator, auto_deployment: false }").unwrap();
        let permissions = Permissions::ServiceManaged { follows_accounts: false };
        assert_eq!(fleet.engine, Engine::Stacksets);
        assert_eq!(fleet.stack_sets, StackSets { permissions, is_delegate: true });
        let role = "arn:aws:iam::111122223333:role/sets";
        let own = format!("{{ permissions: self-managed, administration_role: '{role}', execution_role: set }}");
        let permissions = Permissions::SelfManaged {
            administration_role: Some(role.to_owned()),
            execution_role: Some("set".to_owned()),
        };
        assert_eq!(read(&format!("stacksets: {own}")).unwrap().stack_sets.permissions, permissions);
    }

    #[test]
    fn what_stack_sets_cannot_do_is_told_with_its_line() {
        let table = [
            ("stacksets: { as: anybody }", "`stacksets.as` is `anybody`"),
            ("stacksets: { execution_role: any }", "`stacksets.execution_role` is for"),
            ("stacksets: { permissions: self-managed, auto_deployment: true }", "`stacksets.auto_deployment` is for"),
            ("stacksets: { permissions: self-managed, as: delegated-administrator }", "`stacksets.as` must be"),
            ("waves: [{ percent: 100, soak: 1h }]", "`waves` must be one wave"),
            ("accounts: [{ id: '111122223333', stack: other }]", "`accounts[0]` says what is different"),
        ];
        for (top, expected) in table {
            let error = read(top).unwrap_err();
            assert!(error.starts_with(&format!("fleet.yaml:3: {expected}")), "{error}");
        }
        assert_eq!(tolerance(&read("waves: [{ percent: 100, tolerate: 2% }]").unwrap()), Tolerance::Percent(2));
        assert_eq!(tolerance(&read("").unwrap()), Tolerance::Count(0));
    }
}
