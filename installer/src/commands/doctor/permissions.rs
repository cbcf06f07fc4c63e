//! Whether the caller may do what keyturn needs: every line of the table, as IAM simulates it. Policies of sessions, of
//! the organization as far as IAM does not count them in, and of resources such as a bucket are not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::report::{Check, Denied, Finding};
use crate::aws::identity::Caller;
use crate::aws::simulation::{self, Decision, Simulated};
use crate::aws::{CallError, Clients};
use crate::concurrent::{self, Pace};
use crate::config::Config;
use crate::names::SecretName;
use crate::observe::Observed;
use crate::permissions::{On, PERMISSIONS, Permission, Scope};

/// How simulations are asked for; IAM publishes no rate, and what it throttles is asked again.
const PACE: Pace = Pace { at_once: 4, apart: Duration::from_millis(50) };

/// Whose policies are simulated.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    /// The user or role with this ARN.
    Known(String),
    /// The role of a session, of whose ARN the path is not known.
    RoleNamed(String),
    /// Somebody whom IAM does not simulate.
    Nobody(&'static str),
}

/// Reads the caller's ARN (IAM user guide, "IAM identifiers"). Only users, groups and roles can be simulated.
fn who(arn: &str) -> Who {
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    match fields.as_slice() {
        ["arn", _, "iam", _, _, resource] if resource.starts_with("user/") => Who::Known(arn.to_owned()),
        ["arn", _, "sts", _, _, resource] => match resource.split('/').collect::<Vec<_>>().as_slice() {
            ["assumed-role", role, _] => Who::RoleNamed((*role).to_owned()),
            ["federated-user", ..] => Who::Nobody("a federated user"),
            _ => Who::Nobody("a caller of this kind"),
        },
        ["arn", _, "iam", _, _, "root"] => Who::Nobody("the root user"),
        _ => Who::Nobody("a caller of this kind"),
    }
}

/// The ARN whose policies decide for the caller, or why nothing can be said.
pub(super) async fn principal(clients: &Clients, caller: &Caller) -> Result<String, Finding> {
    let unknown = |what: String| {
        let to_do = "run it as a user or role of IAM, the one that will run `keyturn bootstrap`";
        Finding::warning(Check::Permission, what, to_do)
    };
    match who(&caller.arn) {
        Who::Known(arn) => Ok(arn),
        Who::Nobody(what) => {
            Err(unknown(format!("which permissions lack cannot be told: IAM does not simulate {what}")))
        }
        Who::RoleNamed(role) => match simulation::role_arn(clients, &role).await {
            Ok(Some(arn)) => Ok(arn),
            Ok(None) => {
                Err(unknown(format!("which permissions lack cannot be told: there is no role `{role}` any more")))
            }
            Err(error) => Err(untold(&error)),
        },
    }
}

/// Simulations that the caller may not ask for say nothing of the rest.
fn untold(error: &CallError) -> Finding {
    let what = format!("which permissions lack cannot be told: {error}");
    Finding::warning(Check::Permission, what, error.hint().unwrap_or_else(|| "see what AWS says".to_owned()))
}

/// One question to IAM: these permissions on this resource.
struct Question {
    on: On,
    resource: String,
    permissions: Vec<Permission>,
}

pub(super) async fn findings(clients: &Clients, config: &Config, observed: &Observed, who: &str) -> Vec<Finding> {
    let (partition, account) = (observed.caller.partition.as_str(), &observed.caller.account);
    let (users, secrets) = users_and_secrets(config, observed);
    let bucket = observed.bucket(config);
    let scope = Scope { partition, account, config, bucket: &bucket, users: &users, secrets: &secrets };
    let ask = |question: Question| {
        let (clients, who, context) = (clients.clone(), who.to_owned(), scope.context(question.on));
        async move {
            let actions: Vec<&str> = question.permissions.iter().map(|permission| permission.action).collect();
            let answer = simulation::simulate(&clients, &who, &actions, &question.resource, &context).await;
            answer.map(|simulated| (question, simulated))
        }
    };
    let answers = concurrent::for_each(questions(&scope), PACE, ask).await;
    match answers.into_iter().collect::<Result<Vec<_>, CallError>>() {
        Err(error) => vec![untold(&error)],
        Ok(answers) => judged(who, &answers),
    }
}

/// The ARNs of the users and the names of their secrets; as the configuration has them, when nobody could look.
fn users_and_secrets(config: &Config, observed: &Observed) -> (Vec<String>, Vec<SecretName>) {
    if observed.users.is_empty() {
        let Caller { partition, account, .. } = &observed.caller;
        let users = config.users.iter().map(|user| format!("arn:{partition}:iam::{account}:user/{}", user.name));
        return (users.collect(), config.users.iter().map(|user| config.secret_name(&user.name)).collect());
    }
    let known = observed.users.iter().filter_map(|user| Some((user.bound.as_ref()?.arn.clone(), &user.secret_name)));
    known.map(|(arn, secret)| (arn, secret.clone())).unzip()
}

fn questions(scope: &Scope<'_>) -> Vec<Question> {
    let mut needed: BTreeMap<On, Vec<Permission>> = BTreeMap::new();
    for permission in PERMISSIONS.iter().filter(|permission| permission.when.holds(scope.config)) {
        needed.entry(permission.on).or_default().push(*permission);
    }
    let on_each = |(on, permissions): (On, Vec<Permission>)| {
        let arns = scope.arns(on).into_iter();
        arns.map(move |resource| Question { on, resource, permissions: permissions.clone() })
    };
    needed.into_iter().flat_map(on_each).collect()
}

/// What lacks, on all the resources of a kind on which the same lacks.
struct Lack<'a> {
    on: On,
    resources: Vec<&'a str>,
    permissions: Vec<&'a Permission>,
    /// Whether a policy denies it, and not only none allows it.
    is_denied: bool,
    /// The condition keys that it depends on; none when it is clear.
    keys: Vec<&'a str>,
}

/// A finding for everything that lacks, or one that nothing does.
fn judged(who: &str, answers: &[(Question, Vec<Simulated>)]) -> Vec<Finding> {
    let mut lacks: Vec<Lack<'_>> = Vec::new();
    for (question, answer) in answers {
        for lack in lacking(question, answer) {
            let alike = |other: &&mut Lack<'_>| {
                (other.on, &other.permissions, other.is_denied, &other.keys)
                    == (lack.on, &lack.permissions, lack.is_denied, &lack.keys)
            };
            match lacks.iter_mut().find(alike) {
                Some(other) => other.resources.extend(lack.resources),
                None => lacks.push(lack),
            }
        }
    }
    if lacks.is_empty() {
        let actions: BTreeSet<&str> =
            answers.iter().flat_map(|(_, answer)| answer).map(|simulated| simulated.action.as_str()).collect();
        let what = format!("`{who}` may do all {} actions that bootstrap, rotate and teardown need", actions.len());
        return vec![Finding::ok(Check::Permission, what)];
    }
    lacks.iter().map(finding).collect()
}

/// What lacks on one resource: what is clear, and what depends on conditions.
fn lacking<'a>(question: &'a Question, answer: &'a [Simulated]) -> Vec<Lack<'a>> {
    let mut lacks = Vec::new();
    for is_clear in [true, false] {
        let refused = answer.iter().filter(|simulated| simulated.decision != Decision::Allowed);
        let refused: Vec<_> = refused.filter(|simulated| simulated.missing.is_empty() == is_clear).collect();
        for (decision, is_optional) in
            [Decision::NotAllowed, Decision::Denied].into_iter().flat_map(|it| [(it, false), (it, true)])
        {
            let alike = || refused.iter().filter(|simulated| simulated.decision == decision);
            let is_alike = |permission: &&Permission| alike().any(|simulated| simulated.action == permission.action);
            let permissions = question.permissions.iter().filter(|it| it.when.is_optional() == is_optional);
            let permissions: Vec<_> = permissions.filter(is_alike).collect();
            let keys: BTreeSet<&str> = alike().flat_map(|simulated| &simulated.missing).map(String::as_str).collect();
            if !permissions.is_empty() {
                lacks.push(Lack {
                    on: question.on,
                    resources: vec![&question.resource],
                    permissions,
                    is_denied: decision == Decision::Denied,
                    keys: keys.into_iter().collect(),
                });
            }
        }
    }
    lacks
}

fn finding(lack: &Lack<'_>) -> Finding {
    let Lack { resources, permissions, is_denied, keys, .. } = lack;
    let names: Vec<String> = permissions.iter().map(|permission| format!("`{}`", permission.action)).collect();
    let names = names.join(", ");
    let on = match resources.as_slice() {
        ["*"] => String::new(),
        [] => String::new(),
        [only] => format!(" on `{only}`"),
        [first, rest @ ..] => format!(" on `{first}` and {} more", rest.len()),
    };
    let mut reasons: Vec<&str> = permissions.iter().map(|permission| permission.reason).collect();
    reasons.dedup();
    let finding = if keys.is_empty() {
        let why = if *is_denied { "a policy denies" } else { "no policy allows" };
        let what = format!("{why} {names}{on}");
        let reasons = reasons.join("; to ");
        if permissions.iter().all(|permission| permission.when.is_optional()) {
            let to_do = format!("let the caller do it for `--drift`: it is needed to {reasons}");
            Finding::warning(Check::Permission, what, to_do)
        } else {
            Finding::problem(Check::Permission, what, format!("let the caller do it: it is needed to {reasons}"))
        }
    } else {
        let what = format!("whether {names} is allowed{on} depends on {}", keys.join(", "));
        let to_do = "look at the conditions in the caller's policies: a simulation does not know these values";
        Finding::warning(Check::Permission, what, to_do)
    };
    let each = |resource: &&str| {
        let resource = (*resource).to_owned();
        permissions.iter().map(move |permission| Denied {
            action: permission.action,
            resource: resource.clone(),
            reason: permission.reason,
        })
    };
    Finding { denied: resources.iter().flat_map(each).collect(), ..finding }
}

#[cfg(test)]
mod tests {
    use super::super::report::State;
    use super::*;
    use crate::permissions::When;

    #[test]
    fn the_policies_of_a_session_are_those_of_its_role() {
        let user = "arn:aws:iam::111122223333:user/team/me";
        let table = [
            (user, Who::Known(user.to_owned())),
            ("arn:aws:sts::111122223333:assumed-role/Admin/me@example.com", Who::RoleNamed("Admin".to_owned())),
            ("arn:aws:iam::111122223333:root", Who::Nobody("the root user")),
            ("arn:aws:sts::111122223333:federated-user/me", Who::Nobody("a federated user")),
            ("arn:aws:sts::111122223333:self", Who::Nobody("a caller of this kind")),
            ("", Who::Nobody("a caller of this kind")),
        ];
        for (arn, expected) in table {
            assert_eq!(who(arn), expected, "{arn}");
        }
    }

    fn question() -> Question {
        let permissions = PERMISSIONS.iter().filter(|permission| permission.on == On::Users).copied().collect();
        Question { on: On::Users, resource: "arn:aws:iam::111122223333:user/alice".to_owned(), permissions }
    }

    fn answer(action: &str, decision: Decision, missing: &[&str]) -> Simulated {
        let missing = missing.iter().map(|&key| key.to_owned()).collect();
        Simulated { action: action.to_owned(), decision, missing }
    }

    #[test]
    fn what_lacks_is_a_problem_and_what_depends_a_warning() {
        let answers = vec![(
            question(),
            vec![
                answer("iam:GetUser", Decision::Allowed, &["aws:MultiFactorAuthPresent"]),
                answer("iam:ListAccessKeys", Decision::NotAllowed, &[]),
                answer("iam:DeleteAccessKey", Decision::Denied, &["aws:SourceIp"]),
            ],
        )];
        let findings = judged("arn:…", &answers);
        let told: Vec<_> = findings.iter().map(|finding| (finding.state, finding.denied.len())).collect();
        assert_eq!(told, [(State::Problem, 1), (State::Warning, 1)]);
        assert!(findings.iter().all(|finding| finding.denied.iter().all(|denied| !denied.reason.is_empty())));
        let twice: Vec<_> = [answers[0].1.clone(), answers[0].1.clone()].map(|answer| (question(), answer)).into();
        let findings = judged("arn:…", &twice);
        assert_eq!(findings.len(), 2, "what lacks on several users is told once: {findings:?}");
        assert!(findings[0].what.ends_with("and 1 more") && findings[0].denied.len() == 2, "{findings:?}");
        let optional: Vec<_> =
            PERMISSIONS.iter().filter(|permission| permission.when == When::Drift).copied().collect();
        let action = optional[0].action;
        let question_of_drift = Question { on: optional[0].on, resource: "*".to_owned(), permissions: optional };
        let findings = judged("arn:…", &[(question_of_drift, vec![answer(action, Decision::NotAllowed, &[])])]);
        assert_eq!(findings.iter().map(|finding| finding.state).collect::<Vec<_>>(), [State::Warning], "{findings:?}");
        let allowed = vec![(question(), vec![answer("iam:GetUser", Decision::Allowed, &[])])];
        assert_eq!(judged("arn:…", &allowed).iter().map(|finding| finding.state).collect::<Vec<_>>(), [State::Ok]);
    }
}
