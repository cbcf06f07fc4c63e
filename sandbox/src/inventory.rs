//! What there is in the world, told to tests and to the demo: what a teardown must leave none of, and where a secret
//! must not be found.

use std::collections::HashMap;

use crate::World;
use crate::services::cloudformation::MEMBER_ROLE;
use crate::services::s3;

/// Texts that nobody may ever see, made for looking for all of them at once: a year makes a hundred thousand, and its logs
/// are long.
#[derive(Debug)]
pub struct Forbidden {
    /// By how they end: that part is random in each.
    by_end: HashMap<[u8; END], Vec<String>>,
}

/// No secret is shorter.
const END: usize = 16;

impl Forbidden {
    fn of(texts: impl Iterator<Item = String>) -> Self {
        let mut by_end: HashMap<_, Vec<_>> = HashMap::new();
        for text in texts {
            let end = text.as_bytes().last_chunk().copied();
            assert!(end.is_some(), "a text of {} bytes is too short to be looked for", text.len());
            end.into_iter().for_each(|end| by_end.entry(end).or_default().push(text.clone()));
        }
        Self { by_end }
    }

    /// Whether one of them is in `text`.
    pub fn is_in(&self, text: &str) -> bool {
        let is_end = |(at, end)| {
            let before = text.as_bytes().get(..at + END).unwrap_or_default();
            self.by_end.get(end).is_some_and(|secrets| secrets.iter().any(|secret| before.ends_with(secret.as_bytes())))
        };
        text.as_bytes().array_windows::<END>().enumerate().any(is_end)
    }

    /// Whether this is one of them.
    pub fn contains(&self, text: &str) -> bool {
        self.by_end.values().flatten().any(|secret| secret == text)
    }
}

impl World {
    /// Everything in an account that a stack can make, as `type name`. Users and their keys are not among it.
    pub fn inventory(&self, account: &str) -> Vec<String> {
        let mut found = Vec::new();
        let stacks = self.stacks().into_iter().filter(|stack| stack.account == account);
        found.extend(stacks.filter(|stack| stack.status != "DELETE_COMPLETE").map(|stack| ("stack", stack.name)));
        let sets = self.stack_sets().into_iter().filter(|set| set.account == account && !set.deleted);
        found.extend(sets.map(|set| ("stack set", set.name)));
        if let Some(account) = self.iam.accounts.get(account) {
            // That of StackSets stays in the account, whatever becomes of the stacks.
            let roles = account.roles.values().filter(|role| !role.name.starts_with(MEMBER_ROLE));
            found.extend(roles.map(|role| ("role", role.name.clone())));
            found.extend(account.policies.keys().map(|arn| ("policy", arn.clone())));
        }
        let of_account = |arn: &&String| arn.split(':').nth(4) == Some(account);
        found.extend(self.events.arns().filter(of_account).map(|arn| ("rule", arn.clone())));
        found.extend(self.events.bus_arns().filter(of_account).map(|arn| ("event bus", arn.clone())));
        found.extend(self.lambda.arns().filter(of_account).map(|arn| ("function", arn.clone())));
        found.extend(self.logs.arns().filter(of_account).map(|arn| ("log group", arn.clone())));
        found.extend(self.logs.policy_arns().filter(of_account).map(|arn| ("log policy", arn.clone())));
        found.extend(self.secrets_manager.arns().filter(of_account).map(|arn| ("secret", arn.clone())));
        let replicas = self.secrets_manager.replica_arns();
        found.extend(replicas.filter(|arn| of_account(&arn)).map(|arn| ("replica", arn)));
        found.extend(self.cloudwatch.alarm_arns().filter(of_account).map(|arn| ("alarm", arn.clone())));
        found.extend(self.cloudwatch.dashboard_arns().filter(of_account).map(|arn| ("dashboard", arn.clone())));
        found.extend(self.sns.topic_arns().filter(of_account).map(|arn| ("topic", arn.clone())));
        found.extend(self.sns.subscription_arns().filter(of_account).map(|arn| ("subscription", arn.clone())));
        found.extend(s3::buckets_of(self, account).map(|name| ("bucket", name)));
        found.into_iter().map(|(kind, name)| format!("{kind} {name}")).collect()
    }

    /// The secret half of every key that was ever made here, the SMTP passwords that are made of it, and every session
    /// token and rotation token.
    pub fn forbidden(&self) -> Forbidden {
        let passwords = self.smtp_passwords(&self.secret_texts);
        Forbidden::of(self.secret_texts.iter().cloned().chain(passwords))
    }

    /// Everything that outlives a request and that somebody without access to a secret may read, each under a name:
    /// logs, templates, events, tags, calls, objects.
    pub fn readable_texts(&self) -> Vec<(String, String)> {
        let secrets = self.secrets_manager.tags().map(|tags| format!("{tags:?}")).collect();
        let mut texts = vec![
            ("the stacks".to_owned(), format!("{:?}", self.cloudformation)),
            ("the logs".to_owned(), format!("{:?}", self.logs)),
            ("the alarms".to_owned(), format!("{:?}", self.cloudwatch)),
            ("the topics".to_owned(), format!("{:?}", self.sns)),
            ("the rules".to_owned(), format!("{:?}", self.events)),
            ("the calls".to_owned(), format!("{:?}", self.calls())),
            ("the secrets' tags".to_owned(), secrets),
        ];
        texts.extend(s3::texts(self));
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_wherever_it_stands_and_only_as_a_whole() {
        let forbidden =
            Forbidden::of(["first/secret/of/three", "other/secret/of/three"].map(str::to_owned).into_iter());
        for text in [
            "first/secret/of/three",
            "<first/secret/of/three>",
            "\u{e4}other/secret/of/three",
            "xother/secret/of/three ",
        ] {
            assert!(forbidden.is_in(text), "{text}");
        }
        for text in
            ["", "third/secret/of/three", "first/secret/of/thre", "irst/secret/of/three", "FIRST/SECRET/OF/THREE"]
        {
            assert!(!forbidden.is_in(text), "{text}");
        }
        assert!(forbidden.contains("first/secret/of/three") && !forbidden.contains("secret/of/three"));
    }
}
