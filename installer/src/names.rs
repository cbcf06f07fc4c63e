//! Every name that is derived from another one: secrets, stacks, buckets, logical ids.

use std::fmt;
use std::str::FromStr;

use contract::{AccountId, Region, UserName, looks_like_an_arn};
use sha2::{Digest as _, Sha256};

/// The stack that holds the artifact bucket.
pub const ARTIFACTS_STACK: &str = "keyturn-artifacts";

/// The stack in which the events and alarms of all accounts come together, and its event bus.
pub const CENTRAL_STACK: &str = "keyturn-central";

/// The logical id of the artifact bucket in its stack.
pub const ARTIFACTS_BUCKET: &str = "Bucket";

/// The logical id of the rotation function in its stack.
pub const FUNCTION: &str = "Function";

/// The logical id of the rule that has the function look for users, where it does.
pub const ENROLLER: &str = "Enroller";

/// How many cells a deployment can have: an account has 5,000 IAM users (IAM quotas), and each cell has one at least. What
/// a tag says beyond that was not written by keyturn, and is not counted up to.
const MOST_CELLS: usize = 5_000;

/// CloudFormation's own tag on what a stack has made.
pub const STACK_TAG: &str = "aws:cloudformation:stack-name";

/// What the logical ids of the policies on users and secrets begin with; their names in IAM have the stack's before it.
pub const USER_POLICY: &str = "UserPolicy";

/// The ARN of a managed policy as it is in an account. Those that AWS manages are the same in all of them.
pub fn policy_in(arn: &str, account: &str) -> String {
    let mut fields: Vec<&str> = arn.splitn(6, ':').collect();
    if let Some(field) = fields.get_mut(4).filter(|field| **field != "aws") {
        *field = account;
    }
    fields.join(":")
}

/// A name that AWS would not accept, or that would bring trouble later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not the name of a stack.
    #[error("`{0}` is not a stack name: 1 to 50 letters, digits and hyphens, a letter first")]
    Stack(String),
    /// It could be that of a cell of another deployment.
    #[error("the stack name `{0}` ends in a hyphen and a number, as the further cells of a deployment do")]
    StackLikeCell(String),
    /// It is that of the bucket's stack, which every deployment of the region shares.
    #[error("the stack name `{0}` is that of the stack with the artifact bucket")]
    StackOfBucket(String),
    /// It is that of the stack in which the events of all accounts come together.
    #[error("the stack name `{0}` is that of the stack in which the events of all accounts come together")]
    StackOfAll(String),
    /// Not the name of a secret.
    #[error("`{0}` is not a secret name: 1 to 512 letters, digits and `/_+=.@-`")]
    Secret(String),
    /// It looks like a name with the six characters that AWS appends.
    #[error("the secret name `{0}` ends in a hyphen and six characters, like the ARN of another secret")]
    SecretLikeArn(String),
}

/// The name of a deployment's first stack, which is also the name of the function in it. The further cells are called
/// after it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StackName(String);

impl StackName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`NameError::Stack`]: a stack's name may have 128 characters, but that of the sweeper's rule only 64, and those of
    /// the further cells are longer. [`NameError::StackLikeCell`], [`NameError::StackOfBucket`],
    /// [`NameError::StackOfAll`].
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        let legal = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let starts = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        if !legal || !starts || name.len() > 50 {
            return Err(NameError::Stack(excerpt(&name)));
        }
        if name == ARTIFACTS_STACK {
            return Err(NameError::StackOfBucket(name));
        }
        if name == CENTRAL_STACK {
            return Err(NameError::StackOfAll(name));
        }
        let is_number = |end: &str| !end.is_empty() && end.bytes().all(|b| b.is_ascii_digit());
        match name.rsplit_once('-') {
            Some((_, end)) if is_number(end) => Err(NameError::StackLikeCell(name)),
            _ => Ok(Self(name)),
        }
    }

    /// The name of a cell, counted from 1: `keyturn`, `keyturn-2`, and so on.
    pub fn cell(&self, number: usize) -> String {
        if number <= 1 { self.0.clone() } else { format!("{}-{number}", self.0) }
    }

    /// Which cell of this deployment has this name, if one has.
    pub fn cell_number(&self, name: &str) -> Option<usize> {
        let rest = name.strip_prefix(&self.0)?;
        let number = if rest.is_empty() { 1 } else { rest.strip_prefix('-')?.parse().ok()? };
        // Only one way to write it.
        (number <= MOST_CELLS && self.cell(number) == name).then_some(number)
    }

    /// The name as AWS writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for StackName {
    fn default() -> Self {
        Self("keyturn".to_owned())
    }
}

impl FromStr for StackName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl fmt::Display for StackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The ARN of the event bus of the stack in which the events of all accounts come together.
pub fn central_bus(partition: &str, account: &AccountId, region: &Region) -> String {
    format!("arn:{partition}:events:{region}:{account}:event-bus/{CENTRAL_STACK}")
}

/// The name of a secret, without the six characters that AWS appends to it in the ARN.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretName(String);

impl SecretName {
    /// Checks a name (Secrets Manager API reference, CreateSecret).
    ///
    /// # Errors
    /// [`NameError::Secret`] or [`NameError::SecretLikeArn`].
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        let legal = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+=.@-".contains(&b));
        if !legal || !(1..=512).contains(&name.len()) {
            return Err(NameError::Secret(excerpt(&name)));
        }
        if looks_like_an_arn(&name) { Err(NameError::SecretLikeArn(name)) } else { Ok(Self(name)) }
    }

    /// The name of a user's secret when the configuration gives none.
    pub fn of_user(user: &UserName) -> Self {
        Self(user.secret_name())
    }

    /// The name as AWS writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What somebody has written, as an error shows it. Whoever mistypes may have pasted anything: something long, or
/// something that a terminal would obey.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

/// A text of somebody else's, without what a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    without_what_is_obeyed(text, |c| c.escape_debug().to_string())
}

/// The same of a JSON text, which says the same afterwards.
pub(crate) fn printable_json(text: &str) -> String {
    // All of them are in the part of Unicode that fits into one escape.
    without_what_is_obeyed(text, |c| format!("\\u{:04x}", u32::from(c)))
}

fn without_what_is_obeyed(text: &str, escaped: impl Fn(char) -> String) -> String {
    let is_obeyed = |c: char| c != '\n' && (c.is_control() || changes_the_direction(c));
    text.chars().map(|c| if is_obeyed(c) { escaped(c) } else { c.to_string() }).collect()
}

/// Whether a character has what follows it written from right to left, or back (`Bidi_Control` of Unicode): with it a text can
/// look like another one.
fn changes_the_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The logical ids of a user's resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserResources {
    /// Of the secret.
    pub secret: String,
    /// Of its rotation schedule. Renaming it would end rotation: the old one is deleted after the new one is there.
    pub rotation: String,
}

impl UserResources {
    /// The ids of a user's resources. They depend on the name alone and never change.
    ///
    /// The letters and digits of the name are for people; the digest keeps `a.b` and `ab` apart.
    pub fn of(user: &UserName) -> Self {
        let readable: String = user.as_str().chars().filter(char::is_ascii_alphanumeric).collect();
        let digest: String = Sha256::digest(user.as_str()).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Self { secret: format!("Secret{readable}{digest}"), rotation: format!("Rotation{readable}{digest}") }
    }
}

/// The logical id of the subscription of an e-mail address. It depends on the address alone, so that another one can come
/// or go without anybody having to confirm anew.
pub fn subscription_id(address: &str) -> String {
    let readable: String = address.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    let digest: String = Sha256::digest(address).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("Alerts{readable}{digest}")
}

/// The name of the artifact bucket. Bucket names are global, so the account and the region are part of it.
pub fn artifact_bucket(account: &AccountId, region: &Region) -> String {
    format!("{ARTIFACTS_STACK}-{account}-{region}")
}

/// The name of the group that the function of a stack logs to.
pub fn log_group(stack: &str) -> String {
    format!("/aws/lambda/{stack}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn user(name: &str) -> UserName {
        UserName::new(name).expect("a user name")
    }

    #[test]
    fn secrets_are_named_after_their_users() {
        let table = [
            ("deploy-ci", "keyturn/deploy-ci"),
            ("ci-deploy", "keyturn/ci-deploy/user"),
            ("a+b=c.d@e_f", "keyturn/a+b=c.d@e_f"),
            ("smith,john", "keyturn/smith//john"),
            ("ci-abcdef", "keyturn/ci-abcdef/user"),
            ("ci-abcd,", "keyturn/ci-abcd///user"),
            ("ci-abcd-f", "keyturn/ci-abcd-f/user/user"),
            ("-abcdef", "keyturn/-abcdef/user"),
        ];
        for (name, secret) in table {
            assert_eq!(SecretName::of_user(&user(name)).as_str(), secret);
            assert!(SecretName::new(secret).is_ok(), "{secret} is a name that AWS takes");
        }
    }

    #[test]
    fn different_users_get_different_names() {
        let parts = ["a", ",", "-", "user", "bcdef", "."];
        let mut users = BTreeSet::from([String::new()]);
        for _ in 0..4 {
            users =
                users.iter().flat_map(|name| parts.map(|part| format!("{name}{part}"))).chain(users.clone()).collect();
        }
        users.remove("");
        let users: Vec<UserName> = users.iter().map(|name| user(name)).collect();
        let secrets: BTreeSet<SecretName> = users.iter().map(SecretName::of_user).collect();
        let ids: BTreeSet<String> = users.iter().map(|user| UserResources::of(user).secret).collect();
        assert_eq!((secrets.len(), ids.len()), (users.len(), users.len()));
    }

    #[test]
    fn logical_ids_stay_what_they_are() {
        let ids = UserResources::of(&user("a.b"));
        assert_eq!(ids.secret, "Secretab2e7336dc8eba");
        assert_eq!(ids.rotation, "Rotationab2e7336dc8eba");
    }

    #[test]
    fn names_that_aws_refuses_are_refused() {
        for wrong in ["", "1a", "a_b", "-a", &"a".repeat(51)] {
            assert_eq!(StackName::new(wrong), Err(NameError::Stack(wrong.to_owned())));
        }
        for cell in ["keyturn-2", "a-b-07"] {
            assert_eq!(StackName::new(cell), Err(NameError::StackLikeCell(cell.to_owned())));
        }
        assert_eq!(StackName::new(ARTIFACTS_STACK), Err(NameError::StackOfBucket(ARTIFACTS_STACK.to_owned())));
        assert_eq!(StackName::new(CENTRAL_STACK), Err(NameError::StackOfAll(CENTRAL_STACK.to_owned())));
        for wrong in ["", "a,b", "a b", &"a".repeat(513)] {
            assert_eq!(SecretName::new(wrong), Err(NameError::Secret(excerpt(wrong))));
        }
        assert!(matches!(SecretName::new("my/ci-abcdef"), Err(NameError::SecretLikeArn(_))));
    }

    #[test]
    fn cells_are_called_after_the_first_stack() {
        let stack = StackName::new("keyturn-eu").unwrap();
        for (number, name) in [(1, "keyturn-eu"), (2, "keyturn-eu-2"), (25, "keyturn-eu-25")] {
            assert_eq!((stack.cell(number).as_str(), stack.cell_number(name)), (name, Some(number)));
        }
        for other in
            ["keyturn", "keyturn-eu-", "keyturn-eu-1", "keyturn-eu-02", "keyturn-eu-x", "keyturn-eu2", "keyturn-eu-+2"]
        {
            assert_eq!(stack.cell_number(other), None, "{other}");
        }
        // Nobody looks at five million stacks because a tag says so.
        assert_eq!(stack.cell_number("keyturn-eu-5000"), Some(5_000));
        for far in ["keyturn-eu-5001", "keyturn-eu-5000000", "keyturn-eu-99999999999999999999999"] {
            assert_eq!(stack.cell_number(far), None, "{far}");
        }
    }

    #[test]
    fn errors_show_the_beginning_of_a_name_and_no_control_characters() {
        assert_eq!(excerpt(&"a_".repeat(100)), "a_".repeat(40));
        assert_eq!(excerpt("a\u{1b}[31m\n"), r"a\u{1b}[31m\n");
    }
}
