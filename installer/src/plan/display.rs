//! A plan as a person reads it.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value as Json;

use super::{Action, Deployment, DriftKind, GivenUpKey, Plan, PropertyChange, ResourceChange, Step, Verb};

/// The longest value of a property that is shown, enough for most ARNs; the whole of it is in the JSON output.
const LONGEST_VALUE: usize = 160;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "account {}, {}, as {}\n", self.caller.account, self.region, self.caller.arn)?;
        if self.steps.is_empty() {
            writeln!(f, "nothing to do: {}", self.unchanged.join(", "))?;
        }
        for step in &self.steps {
            write!(f, "{step}")?;
        }
        if !self.users.is_empty() || !self.remarks.is_empty() {
            writeln!(f, "\nto know:")?;
        }
        for user in &self.users {
            writeln!(f, "  {user}")?;
        }
        for remark in &self.remarks {
            writeln!(f, "  {remark}")?;
        }
        if !self.steps.is_empty() {
            writeln!(f, "\n{}", self.cost)?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeployArtifacts(deployment) | Self::DeployCell(deployment) => write!(f, "{deployment}"),
            Self::UploadCode { key, reason } => writeln!(f, "  upload  the function's code as `{key}`: {reason}"),
            Self::RestoreCode { stack, key, reason } => {
                writeln!(f, "  restore the code of the function `{stack}` from `{key}`: {reason}")
            }
            Self::ClearPending { versions, reason } => versions
                .keys()
                .try_for_each(|secret| writeln!(f, "  clear   the unfinished rotation of `{secret}`: {reason}")),
            Self::Adopt { secrets, .. } => secrets
                .iter()
                .try_for_each(|adopted| writeln!(f, "  adopt   the secret `{}` of {}", adopted.secret, adopted.user)),
            Self::DeleteCell { stack, reason, .. } => {
                writeln!(f, "  delete  the stack `{stack}` and its log: {reason}; the secrets and keys stay")
            }
            Self::GiveUp { keys, .. } => keys.iter().try_for_each(|GivenUpKey { user, key, how, .. }| {
                writeln!(f, "  give up the key {key} of {user}: `--{}`", how.to_tag())
            }),
            Self::RotateFirst { users, reason, .. } => {
                let names: Vec<&str> = users.keys().map(contract::UserName::as_str).collect();
                writeln!(f, "  rotate  {}: {reason}", names.join(", "))
            }
        }
    }
}

impl fmt::Display for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stack, reason, express, .. } = self;
        let mode = if *express { " in express mode" } else { "" };
        match &self.action {
            Action::Create => writeln!(f, "  create  the stack `{stack}`{mode}: {reason}")?,
            Action::CreateAnew { .. } => writeln!(f, "  create  the stack `{stack}` anew{mode}: {reason}")?,
            Action::Update => writeln!(f, "  update  the stack `{stack}`{mode}: {reason}")?,
            Action::Resume { .. } => writeln!(f, "  resume  the stack `{stack}`{mode}: {reason}")?,
        }
        match &self.action {
            Action::Update | Action::Resume { .. } => self.changes.iter().try_for_each(|change| write!(f, "{change}")),
            // Everything is new: the numbers say more than a list.
            Action::Create | Action::CreateAnew { .. } => {
                let mut counts: BTreeMap<(Verb, &str), usize> = BTreeMap::new();
                for change in &self.changes {
                    *counts.entry((change.change, &change.kind)).or_default() += 1;
                }
                counts.iter().try_for_each(|((verb, kind), count)| writeln!(f, "            {verb} {count} × {kind}"))
            }
        }
    }
}

impl fmt::Display for ResourceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { logical_id, kind, change, replaces, broadens, .. } = self;
        write!(f, "            {change} {logical_id} ({kind}")?;
        if let Some(name) = &self.name {
            write!(f, " `{name}`")?;
        }
        f.write_str(")")?;
        if *replaces {
            f.write_str(", which is replaced by a new one")?;
        }
        match self.drift {
            Some(DriftKind::Modified) => f.write_str(", which was changed past CloudFormation")?,
            Some(DriftKind::Deleted) => f.write_str(", which was deleted past CloudFormation and is made anew")?,
            None => {}
        }
        if self.broadened {
            f.write_str(", and allows more than it should until then")?;
        }
        if *broadens {
            f.write_str(", which allows more than before")?;
        }
        if *change == Verb::Remove && kind == "AWS::SecretsManager::Secret" {
            f.write_str(", but the secret itself stays")?;
        }
        writeln!(f)?;
        self.properties.iter().try_for_each(|property| writeln!(f, "              {property}"))
    }
}

impl fmt::Display for PropertyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, before, after, .. } = self;
        match (before, after) {
            // Of two long lists only what differs tells something.
            (Some(Json::Array(before)), Some(Json::Array(after))) if before.len() != after.len() => {
                let gone = before.iter().filter(|item| !after.contains(item)).map(|item| ("-", item));
                let new = after.iter().filter(|item| !before.contains(item)).map(|item| ("+", item));
                let items: Vec<String> =
                    gone.chain(new).map(|(sign, item)| format!("{sign} {}", shown(Some(item)))).collect();
                write!(f, "{path}: {}", items.join(", "))
            }
            _ => write!(f, "{path}: {} -> {}", shown(before.as_ref()), shown(after.as_ref())),
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add | Self::Recreate => "+",
            Self::Import => "import",
            Self::Modify => "~",
            Self::Remove => "-",
        })
    }
}

pub(super) fn shown(value: Option<&Json>) -> String {
    let text = match value {
        None => return "(not set)".to_owned(),
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    if text.chars().count() <= LONGEST_VALUE {
        return text;
    }
    let beginning: String = text.chars().take(LONGEST_VALUE).collect();
    format!("{beginning}…")
}
