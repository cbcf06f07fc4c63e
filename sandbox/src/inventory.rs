//! What there is in the world, told to tests and to the demo: what a teardown must leave none of, and where a secret
//! must not be found.

use crate::World;
use crate::services::s3;

impl World {
    /// Everything in an account that a stack can make, as `type name`. Users and their keys are not among it.
    pub fn inventory(&self, account: &str) -> Vec<String> {
        let mut found = Vec::new();
        let stacks = self.stacks().into_iter().filter(|stack| stack.account == account);
        found.extend(stacks.filter(|stack| stack.status != "DELETE_COMPLETE").map(|stack| ("stack", stack.name)));
        if let Some(account) = self.iam.accounts.get(account) {
            found.extend(account.roles.values().map(|role| ("role", role.name.clone())));
            found.extend(account.policies.keys().map(|arn| ("policy", arn.clone())));
        }
        let of_account = |arn: &&String| arn.split(':').nth(4) == Some(account);
        found.extend(self.events.arns().filter(of_account).map(|arn| ("rule", arn.clone())));
        found.extend(self.lambda.arns().filter(of_account).map(|arn| ("function", arn.clone())));
        found.extend(self.logs.arns().filter(of_account).map(|arn| ("log group", arn.clone())));
        found.extend(self.secrets_manager.arns().filter(of_account).map(|arn| ("secret", arn.clone())));
        found.extend(s3::buckets_of(self, account).map(|name| ("bucket", name)));
        found.into_iter().map(|(kind, name)| format!("{kind} {name}")).collect()
    }

    /// The secret half of every key that was ever made here, the SMTP passwords that are made of it, and every session
    /// token and rotation token.
    pub fn secret_texts(&self) -> Vec<String> {
        let passwords = self.smtp_passwords(&self.secret_texts);
        self.secret_texts.iter().cloned().chain(passwords).collect()
    }

    /// Everything that outlives a request and that somebody without access to a secret may read, each under a name:
    /// logs, templates, events, tags, calls, objects.
    pub fn readable_texts(&self) -> Vec<(String, String)> {
        let secrets = self.secrets_manager.tags().map(|tags| format!("{tags:?}")).collect();
        let mut texts = vec![
            ("the stacks".to_owned(), format!("{:?}", self.cloudformation)),
            ("the logs".to_owned(), format!("{:?}", self.logs)),
            ("the rules".to_owned(), format!("{:?}", self.events)),
            ("the calls".to_owned(), format!("{:?}", self.calls())),
            ("the secrets' tags".to_owned(), secrets),
        ];
        texts.extend(s3::texts(self));
        texts
    }
}
