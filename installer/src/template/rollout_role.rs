//! The role by which a rollout enters an account: it may do what keyturn needs there, by the table of which `keyturn doctor`
//! asks, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use contract::AccountId;
use serde_json::{Value as Json, json};

use super::{Template, TemplateError};
use crate::config::Config;
use crate::fleet::{Access, Fleet, Wanted};
use crate::names::{artifact_bucket, policy_in};
use crate::permissions::{On, PERMISSIONS, SIX, Scope, TWELVE, UUID};

/// What stands for the account until CloudFormation knows it.
const ANY_ACCOUNT: &str = "000000000000";

/// What is needed where users are selected, beyond the table.
const SELECTING: &str = "iam:GetAccountAuthorizationDetails";

/// What nobody may do who is held to a boundary: take it off.
const UNBINDING: &str = "iam:DeleteRolePermissionsBoundary";

/// What would change the boundary itself, should its name be like those of the stack's policies.
const REWRITING: [&str; 5] = [
    "iam:CreatePolicy",
    "iam:CreatePolicyVersion",
    "iam:DeletePolicy",
    "iam:DeletePolicyVersion",
    "iam:SetDefaultPolicyVersion",
];

/// The template of the role, for every account of a fleet. `trusted` is the account that may assume it; with `drift` it may
/// look for drift, too.
///
/// # Errors
/// [`TemplateError`] when it cannot be written.
pub fn rollout_role(fleet: &Fleet, trusted: &AccountId, drift: bool) -> Result<Template, TemplateError> {
    let Access { role, external_id, .. } = &fleet.access;
    let (path, name) =
        role.rsplit_once('/').map_or(("/".to_owned(), role.as_str()), |(path, name)| (format!("/{path}/"), name));
    let trust = |action| {
        let principal = sub(&format!("arn:${{AWS::Partition}}:iam::{trusted}:root"));
        json!({ "Effect": "Allow", "Principal": { "AWS": principal }, "Action": action })
    };
    let mut entering = trust("sts:AssumeRole");
    if let (Some(id), Some(fields)) = (external_id, entering.as_object_mut()) {
        fields.insert("Condition".to_owned(), json!({ "StringEquals": { "sts:ExternalId": id } }));
    }
    // It says nothing by itself, and does not know the external id.
    let tagging = trust("sts:TagSession");
    let document = |statements: Vec<Json>| json!({ "Version": "2012-10-17", "Statement": statements });
    let properties = json!({
        "RoleName": name,
        "Path": path,
        "Description": "keyturn rollout enters the account by this role",
        "AssumeRolePolicyDocument": document(vec![entering, tagging]),
        "Policies": [{ "PolicyName": "keyturn", "PolicyDocument": document(statements(fleet, drift)) }],
    });
    let template = "AWSTemplateFormatVersion: '2010-09-09'\nDescription: keyturn - lets a rollout into this account\nResources: {}\n";
    let mut template = Template::parse(template)?;
    template.add("Role", &json!({ "Type": "AWS::IAM::Role", "Properties": properties }))?;
    Ok(template)
}

/// A statement for each kind of resource, with all that any account of the fleet needs.
fn statements(fleet: &Fleet, drift: bool) -> Vec<Json> {
    let mut actions: BTreeMap<On, BTreeSet<&str>> = BTreeMap::new();
    let mut arns: BTreeMap<On, BTreeSet<String>> = BTreeMap::new();
    for wanted in wanted(fleet) {
        let mut wanted = wanted.clone();
        if fleet.central.is_some() {
            // Which bus it is makes no difference here.
            wanted.config.alerts.central.get_or_insert_with(String::new);
        }
        let needed = PERMISSIONS.iter().filter(|it| (drift || !it.when.is_optional()) && it.when.holds(&wanted.config));
        for permission in needed {
            actions.entry(permission.on).or_default().insert(permission.action);
            arns.entry(permission.on).or_default().extend(resources(permission.on, &wanted));
        }
        if wanted.selection.is_some() {
            actions.entry(On::Everything).or_default().insert(SELECTING);
        }
    }
    let subs = |arns: &BTreeSet<String>| -> Vec<Json> { arns.iter().map(|arn| sub(arn)).collect() };
    let limits = Limits {
        policies: arns.get(&On::Policies).map(subs).unwrap_or_default(),
        boundaries: boundaries(fleet).as_ref().map(subs),
    };
    let mut statements = Vec::new();
    for (on, actions) in actions {
        let Some(resources) = arns.get(&on).filter(|arns| !arns.is_empty()).map(subs) else { continue };
        let mut groups: BTreeMap<&str, (Vec<&str>, Conditions)> = BTreeMap::new();
        for action in actions {
            let Some((label, conditions)) = limits.of(action, on) else { continue };
            let group = groups.entry(label).or_insert_with(|| (Vec::new(), conditions));
            group.0.push(action);
        }
        for (label, (actions, conditions)) in groups.into_iter().rev() {
            let sid = format!("{label}{on:?}");
            let mut statement = json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources });
            if let (false, Some(fields)) = (conditions.is_empty(), statement.as_object_mut()) {
                fields.insert("Condition".to_owned(), json!(conditions));
            }
            statements.push(statement);
        }
    }
    if let Some(boundaries) = limits.boundaries {
        let (effect, actions) = ("Deny", REWRITING);
        statements.push(json!({ "Sid": "KeepBoundary", "Effect": effect, "Action": actions, "Resource": boundaries }));
    }
    statements
}

/// The conditions of a statement, by their operators.
type Conditions = BTreeMap<&'static str, Json>;

/// What the actions that could give more than the stack needs are held to.
struct Limits {
    /// The policies of the stack.
    policies: Vec<Json>,
    /// The permissions boundaries of the fleet, when every account has one.
    boundaries: Option<Vec<Json>>,
}

impl Limits {
    /// Under which conditions an action is allowed, and what tells its statement from others; `None` when it is not. Which
    /// actions say which boundary a role has or gets is in the service authorization reference, IAM.
    fn of(&self, action: &str, on: On) -> Option<(&'static str, Conditions)> {
        let boundary = self.boundaries.as_ref().map(|arns| ("ArnEquals", json!({ "iam:PermissionsBoundary": arns })));
        let policy = ("ArnLike", json!({ "iam:PolicyARN": self.policies }));
        let service = if on == On::ForwardRole { "events.amazonaws.com" } else { "lambda.amazonaws.com" };
        Some(match (action, boundary) {
            (UNBINDING, Some(_)) => return None,
            ("iam:AttachRolePolicy", boundary) => ("Attach", [policy].into_iter().chain(boundary).collect()),
            // It gives nothing, and a stack from before the boundary has to go too.
            ("iam:DetachRolePolicy", None) => ("Attach", [policy].into()),
            ("iam:DetachRolePolicy", Some(_)) => ("Detach", [policy].into()),
            ("iam:CreateRole" | "iam:PutRolePermissionsBoundary" | "iam:PutRolePolicy", Some(boundary)) => {
                ("Bound", [boundary].into())
            }
            ("iam:PassRole", _) => ("Pass", [("StringEquals", json!({ "iam:PassedToService": service }))].into()),
            _ => ("", Conditions::new()),
        })
    }
}

/// The permissions boundaries of the fleet, as every account has them for itself; `None` when some account has none.
pub fn boundaries(fleet: &Fleet) -> Option<BTreeSet<String>> {
    let own = |wanted: &Wanted| Some(policy_in(wanted.config.permissions_boundary.as_deref()?, "${AWS::AccountId}"));
    wanted(fleet).map(own).collect()
}

/// What is wanted anywhere in the fleet. The defaults alone are for the accounts of units.
fn wanted(fleet: &Fleet) -> impl Iterator<Item = &Wanted> {
    let others = Some(&fleet.defaults).filter(|_| !fleet.units.is_empty() || fleet.accounts.is_empty());
    fleet.accounts.iter().map(|(_, wanted)| wanted).chain(others)
}

/// The ARNs in any account, with what AWS makes up left open.
fn resources(on: On, wanted: &Wanted) -> Vec<String> {
    let Wanted { config, selection } = wanted;
    let user = |rest: &str| format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:user/{rest}");
    let secret = |name: &str| {
        let region = &config.region;
        format!("arn:${{AWS::Partition}}:secretsmanager:{region}:${{AWS::AccountId}}:secret:{name}")
    };
    let path = selection.as_ref().map(|selection| selection.select.path.as_deref().unwrap_or("/"));
    match (on, path) {
        (On::Users, Some(path)) => vec![user(&format!("{}*", path.trim_start_matches('/')))],
        // A name says nothing of the path.
        (On::Users, None) => {
            config.users.iter().flat_map(|it| [user(it.name.as_str()), user(&format!("*/{}", it.name))]).collect()
        }
        (On::Secrets, Some(_)) => vec![secret("keyturn/*")],
        // The pattern above fits the names, too.
        (On::SecretNames, Some(_)) => Vec::new(),
        (On::Secrets, None) => {
            config.users.iter().map(|it| secret(&format!("{}-??????", config.secret_name(&it.name)))).collect()
        }
        (On::SecretNames, None) => {
            config.users.iter().map(|it| secret(&config.secret_name(&it.name).to_string())).collect()
        }
        _ => of_stacks(on, config),
    }
}

fn of_stacks(on: On, config: &Config) -> Vec<String> {
    let Ok(account) = AccountId::new(ANY_ACCOUNT) else { return Vec::new() };
    let own = artifact_bucket(&account, &config.region);
    let bucket = config.artifact_bucket.as_deref().unwrap_or(&own);
    let scope = Scope { partition: "${AWS::Partition}", account: &account, config, bucket, users: &[], secrets: &[] };
    let open = |arn: String| {
        // A UUID ends as long as an account number, and how many policies the users take nobody knows.
        let arn =
            arn.replace(UUID, "*").replace(TWELVE, "*").replace(SIX, "??????").replace("UserPolicy1-*", "UserPolicy*");
        arn.replace(ANY_ACCOUNT, "${AWS::AccountId}")
    };
    scope.arns(on).into_iter().map(open).collect()
}

fn sub(text: &str) -> Json {
    if text.contains("${") { json!({ "Fn::Sub": text }) } else { json!(text) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn written(fleet: &str) -> String {
        let fleet = crate::fleet::parse(Path::new("fleet.yaml"), fleet).unwrap();
        rollout_role(&fleet, &AccountId::new("111122223333").unwrap(), false).unwrap().to_text()
    }

    /// IAM quotas: 10,240 characters in all inline policies of a role.
    #[test]
    fn with_everything_it_may_look_for_it_still_fits_into_a_role() {
        let alerts = "alerts: { email: [team@example.org] }";
        let text = format!(
            "version: 1\nunits: [r-abcd]\ncentral: {{}}\ndefaults: {{ region: eu-central-1, users: {{ select: {{ path: /service/ }} }}, {alerts} }}\n"
        );
        let fleet = crate::fleet::parse(Path::new("fleet.yaml"), &text).unwrap();
        let size = |drift| Json::from(statements(&fleet, drift)).to_string().len();
        assert!(size(false) < size(true) && size(true) < 10_240, "{} {}", size(false), size(true));
    }

    #[test]
    fn the_role_is_for_whom_the_fleet_is_about() {
        let named = written(
            "version: 1\naccess: { role: ops/rollout, external_id: sesame }\nunits: [r-abcd]\ndefaults: { region: eu-central-1, users: [ci] }\n",
        );
        for part in
            ["user/*/ci", "secret:keyturn/ci-??????", "sts:ExternalId: sesame", "RoleName: rollout", "Path: /ops/"]
        {
            assert!(named.contains(part), "{part}: {named}");
        }
        assert!(!named.contains(ANY_ACCOUNT) && !named.contains(SELECTING) && !named.contains(UUID), "{named}");
        let selected = written(
            "version: 1\nunits: [r-abcd]\ndefaults: { region: eu-central-1, users: { select: { path: /service/ } } }\n",
        );
        for part in ["user/service/*", "secret:keyturn/*", SELECTING] {
            assert!(selected.contains(part), "{part}: {selected}");
        }
    }
}
