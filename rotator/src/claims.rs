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
    let ranked: Vec<(usize, &Listed)> = claiming(user, listed)
        .filter_map(|(secret, bound)| Some((uncertainty(user, bound, &secret.name, &scope.own_secrets)?, secret)))
        .collect();
    let least = ranked.iter().map(|(rank, _)| *rank).min();
    ranked.into_iter().filter(|(rank, _)| Some(*rank) == least).map(|(_, secret)| secret).collect()
}

/// How far from certain it is that a secret is the user's; `None` when by its name it is not. The configuration counts most,
/// and the user as the order spells the name more than as the tag does: in other letters it is the name of another secret.
fn uncertainty(user: &UserName, bound: &UserName, secret: &str, own: &OwnSecrets) -> Option<usize> {
    let is_theirs = [own.is_own(bound, secret), own.belongs(user, secret), own.belongs(bound, secret)];
    is_theirs.iter().position(|is_theirs| *is_theirs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds;

    /// How it is refused.
    const WRONG: &str = "by its name it does not";
    const NONE: &str = "no secret of the stack";
    const SEVERAL: &str = "more than one secret";

    /// A secret of the stack, and the user whom its tags name.
    fn secret(name: &str, user: &str) -> Listed {
        let arn = SecretArn::new(format!("arn:aws:secretsmanager:eu-central-1:111122223333:secret:{name}-AbCdEf"));
        Listed { user: Some(UserName::new(user).unwrap()), ..Listed::rotated(name.to_owned(), arn.unwrap()) }
    }

    #[test]
    fn the_name_says_which_secret_is_meant_and_the_others_are_told() {
        type Row = (&'static str, &'static [(&'static str, &'static str)], &'static str, &'static [&'static str]);
        let table: [Row; 10] = [
            ("alice", &[("keyturn/alice", "alice"), ("keyturn/bob", "bob")], "keyturn/alice", &[]),
            ("alice", &[("keyturn/alice", "alice"), ("keyturn/bob", "alice")], "keyturn/alice", &["keyturn/bob"]),
            ("alice", &[("keyturn/bob", "alice")], WRONG, &["keyturn/bob"]),
            ("alice", &[("keyturn/alice", "bob")], NONE, &[]),
            ("alice", &[], NONE, &[]),
            // Secrets that differ in case only are two.
            ("alice", &[("keyturn/alice", "alice"), ("keyturn/ALICE", "ALICE")], "keyturn/alice", &["keyturn/ALICE"]),
            ("Alice", &[("keyturn/alice", "alice")], "keyturn/alice", &[]),
            (
                "Alice",
                &[("keyturn/alice", "alice"), ("keyturn/ALICE", "ALICE")],
                SEVERAL,
                &["keyturn/alice", "keyturn/ALICE"],
            ),
            // The configuration names the second one; the first is from before it did.
            ("bob", &[("keyturn/bob", "bob"), ("prod/bob", "bob")], "prod/bob", &["keyturn/bob"]),
            ("alice", &[("prod/bob", "alice")], WRONG, &["prod/bob"]),
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
