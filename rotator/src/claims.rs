//! Which secret of the stack is a user's, when several claim it by their tags: the name decides.

use contract::{OwnSecrets, SecretArn, UserName};

use crate::aws::secrets::Listed;
use crate::scope::Scope;

/// The secret of a user, or why the order does not reach it.
pub(crate) fn secret_of<'a>(
    user: &UserName,
    listed: &'a [Listed],
    scope: &Scope,
) -> Result<&'a SecretArn, &'static str> {
    match theirs(user, listed, scope).as_slice() {
        [] if claiming(user, listed).next().is_some() => {
            Err("a secret of the stack claims to belong to this user, and by its name it does not")
        }
        [] => Err("no secret of the stack belongs to this user"),
        [secret] if scope.contains(&secret.name) => Ok(&secret.arn),
        [_] => Err("the user's secret is not among the function's `secrets`"),
        _ => Err("more than one secret of the stack belongs to this user"),
    }
}

/// The names of the secrets that claim to be the user's and are left out.
pub(crate) fn left_out(user: &UserName, listed: &[Listed], scope: &Scope) -> Vec<String> {
    let theirs = theirs(user, listed, scope);
    let is_theirs = |secret: &Listed| matches!(theirs.as_slice(), [one] if one.arn == secret.arn);
    let others = claiming(user, listed).filter(|(secret, _)| !is_theirs(secret));
    others.map(|(secret, _)| secret.name.clone()).collect()
}

/// The secrets whose tags name the user.
fn claiming<'a>(user: &UserName, listed: &'a [Listed]) -> impl Iterator<Item = (&'a Listed, &'a UserName)> {
    let named = listed.iter().filter_map(|secret| Some((secret, secret.user.as_ref()?)));
    named.filter(|(_, bound)| bound.is_same_user(user))
}

/// Those of them that are the user's by their name; where there are several, those that are it more certainly. A secret that
/// was the user's under another configuration keeps its tags.
fn theirs<'a>(user: &UserName, listed: &'a [Listed], scope: &Scope) -> Vec<&'a Listed> {
    let own = &scope.own_secrets;
    let is_certain: [fn(&OwnSecrets, &UserName, &UserName, &str) -> bool; 3] = [
        |own, _, bound, secret| own.is_own(bound, secret),
        |own, user, _, secret| own.belongs(user, secret),
        // The order may spell the user in other letters than IAM does.
        |own, _, bound, secret| own.belongs(bound, secret),
    ];
    let found = is_certain.iter().map(|is_theirs| {
        let theirs = claiming(user, listed).filter(|(secret, bound)| is_theirs(own, user, bound, &secret.name));
        theirs.map(|(secret, _)| secret).collect::<Vec<_>>()
    });
    found.into_iter().find(|theirs| !theirs.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds;

    /// A secret of the stack, and the user whom its tags name.
    fn secret(name: &str, user: &str) -> Listed {
        let arn = SecretArn::new(format!("arn:aws:secretsmanager:eu-central-1:111122223333:secret:{name}-AbCdEf"));
        Listed { user: Some(UserName::new(user).unwrap()), ..Listed::rotated(name.to_owned(), arn.unwrap()) }
    }

    #[test]
    fn the_name_says_which_secret_is_meant_and_the_others_are_told() {
        let (right, wrong, none) = ("keyturn/alice", "by its name it does not", "no secret of the stack");
        let several = "more than one secret";
        let table: [(&str, &[(&str, &str)], &str, &[&str]); 10] = [
            ("alice", &[(right, "alice"), ("keyturn/bob", "bob")], right, &[]),
            ("alice", &[(right, "alice"), ("keyturn/bob", "alice")], right, &["keyturn/bob"]),
            ("alice", &[("keyturn/bob", "alice")], wrong, &["keyturn/bob"]),
            ("alice", &[(right, "bob")], none, &[]),
            ("alice", &[], none, &[]),
            // Secrets that differ in case only are two.
            ("alice", &[(right, "alice"), ("keyturn/ALICE", "ALICE")], right, &["keyturn/ALICE"]),
            ("Alice", &[(right, "alice")], right, &[]),
            ("Alice", &[(right, "alice"), ("keyturn/ALICE", "ALICE")], several, &[right, "keyturn/ALICE"]),
            // The configuration names the second one; the first is from before it did.
            ("bob", &[("keyturn/bob", "bob"), ("prod/bob", "bob")], "prod/bob", &["keyturn/bob"]),
            ("alice", &[("prod/bob", "alice")], wrong, &["prod/bob"]),
        ];
        for (user, secrets, expected, others) in table {
            let listed: Vec<Listed> = secrets.iter().map(|(name, user)| secret(name, user)).collect();
            let user = UserName::new(user).unwrap();
            let found = secret_of(&user, &listed, &worlds::scope());
            let found = found.map_or_else(str::to_owned, |arn| arn.to_string());
            assert!(found.contains(expected), "{user}, {secrets:?}: {found}");
            let others: Vec<String> = others.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(left_out(&user, &listed, &worlds::scope()), others, "{user}, {secrets:?}");
        }
    }

    #[test]
    fn an_order_keeps_to_the_secrets_that_may_be_named() {
        let scope = Scope { secrets: Some(vec!["keyturn/bob".to_owned()]), ..worlds::scope() };
        let listed = [secret("keyturn/alice", "alice")];
        let refused = secret_of(&UserName::new("alice").unwrap(), &listed, &scope);
        assert_eq!(refused, Err("the user's secret is not among the function's `secrets`"));
        assert!(left_out(&UserName::new("alice").unwrap(), &listed, &scope).is_empty());
    }
}
