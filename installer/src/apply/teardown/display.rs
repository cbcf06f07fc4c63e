//! What a teardown says before it begins, and at its end.

use std::fmt;

use contract::AccessKeyId;

use super::{Fate, Inventory, Managed, Remains};

impl fmt::Display for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "account {}, {}, as {}\n", self.caller.account, self.region, self.caller.arn)?;
        for name in self.stacks.keys() {
            writeln!(f, "  delete  the stack `{name}`")?;
            for resource in self.stuck.get(name).into_iter().flatten() {
                let fate = if self.force { "is given up" } else { "could not be deleted before" };
                writeln!(f, "            {fate}: {resource}")?;
            }
        }
        if let Some(bucket) = &self.bucket {
            writeln!(f, "  delete  the bucket `{bucket}` and every version in it")?;
        }
        for stack in &self.bucket_stays_for {
            writeln!(f, "  keep    the bucket of the functions' code and its stack: the stack `{stack}` uses it")?;
        }
        if let Some(organization) = &self.bucket_shared_with {
            writeln!(
                f,
                "  keep    the bucket of the functions' code and its stack: the accounts of {organization} use it, until `keyturn teardown --fleet`"
            )?;
        }
        for secret in &self.secrets {
            let Managed { name, user, keys, other_keys, unreadable, replicas, .. } = secret;
            if secret.doubt.is_some() {
                writeln!(f, "  keep    {}", secret.claim())?;
                continue;
            }
            if let Some(why) = unreadable {
                writeln!(f, "  keep    {user}: nobody can tell which key is the current one, since {why}")?;
                continue;
            }
            match self.fate {
                Fate::Keep => {
                    writeln!(f, "  keep    {user}: keys stay Active, the secret `{name}` stays, rotation ends")?
                }
                Fate::Revoke { recovery_days } => {
                    let ids: Vec<&str> = keys.iter().map(AccessKeyId::as_str).collect();
                    let ids = if ids.is_empty() { "no keys".to_owned() } else { ids.join(", ") };
                    let replicas = match replicas.as_slice() {
                        [] => String::new(),
                        regions => format!(", its replicas in {} at once", regions.join(", ")),
                    };
                    writeln!(
                        f,
                        "  revoke  {user}: {ids} go for good, the secret `{name}` goes after {recovery_days} days{replicas}"
                    )?;
                    for key in other_keys {
                        writeln!(f, "  keep    {user}: the key {key}, which keyturn does not know")?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Remains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.left.is_empty() {
            writeln!(f, "nothing is left that should not be")?;
        }
        self.left.iter().try_for_each(|left| writeln!(f, "left: {left}"))?;
        self.left_alone.iter().try_for_each(|claim| writeln!(f, "{claim}"))?;
        self.kept.iter().try_for_each(|name| writeln!(f, "kept: the secret `{name}`"))?;
        self.other_keys
            .iter()
            .try_for_each(|(user, key)| writeln!(f, "kept: the key {key} of {user}, which keyturn does not know"))?;
        self.recoverable.iter().try_for_each(|name| {
            writeln!(
                f,
                "can be brought back: the secret `{name}` (`aws secretsmanager restore-secret --secret-id {name}`), but not its key, which is gone for good"
            )
        })
    }
}
