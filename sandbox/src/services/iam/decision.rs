//! Whether a caller's policies allow something, decided as the IAM user guide's "Policy evaluation logic" says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::account::{Permissions, State};
use super::consent::{Consent, Reason};
use super::names::account_of;
use super::policy::{Kind, Policy, Principal, Question, Verdict};
use crate::request::{Caller, Principal as CallerKind};
use crate::services::{events, organizations, s3};
use crate::{ApiError, World};

/// Decides by the caller's policies. The outer error is a policy that the sandbox cannot evaluate, the inner one the
/// refusal that AWS answers with.
pub(crate) fn decide(
    world: &World,
    caller: &Caller,
    action: &str,
    resource: &str,
    context: &BTreeMap<String, String>,
) -> Result<Result<(), ApiError>, ApiError> {
    let (permissions, principal_arn, tags) = permissions_of(&world.iam, caller)?;
    let settled = settled(world, permissions);
    let permissions = settled.as_ref().unwrap_or(permissions);
    let owner = owner_of(world, resource);
    let context = context_of(world, caller, resource, context, (&principal_arn, tags));
    let question = Question { action, resource, context: &context };
    let reason = match action {
        // An account that cannot be used trusts nobody.
        "sts:AssumeRole" | "sts:TagSession" if !organizations::admits_sessions(world, owner) => Some(Reason::NoConsent),
        "sts:AssumeRole" | "sts:TagSession" => {
            // A role that is not there trusts nobody; AWS does not tell the two apart either.
            let trust = world.iam.role_by_arn(resource).ok().map(|role| &role.trust);
            let consent = Consent::of(trust, caller, &principal_arn, &question);
            consent.refusal(own_refusal(&world.iam, permissions, &question), caller.account == owner)
        }
        _ if resource.contains(":s3:::") && !owner.is_empty() => {
            let policy =
                s3::policy_on(world, resource).map(|policy| Policy::new(Kind::Resource, policy)).transpose()?;
            let consent = Consent::of(policy.as_ref(), caller, &principal_arn, &question);
            consent.refusal_inside_account(own_refusal(&world.iam, permissions, &question), caller.account == owner)
        }
        "events:PutEvents" => {
            let policy = events::policy_on(world, resource);
            let policy = policy.map(|policy| Policy::new(Kind::Resource, &policy)).transpose()?;
            let consent = Consent::of(policy.as_ref(), caller, &principal_arn, &question);
            consent.refusal_inside_account(own_refusal(&world.iam, permissions, &question), caller.account == owner)
        }
        _ => own_refusal(&world.iam, permissions, &question),
    };
    Ok(reason.map_or(Ok(()), |reason| Err(access_denied(&caller.arn, action, resource, reason))))
}

fn owner_of<'a>(world: &'a World, resource: &'a str) -> &'a str {
    s3::owner_of(world, resource).unwrap_or_else(|| account_of(resource))
}

/// The condition keys of a call, with those that AWS adds.
pub(super) fn context_of(
    world: &World,
    caller: &Caller,
    resource: &str,
    context: &BTreeMap<String, String>,
    (principal_arn, tags): (&str, &BTreeMap<String, String>),
) -> BTreeMap<String, String> {
    let owner = owner_of(world, resource);
    let mut context = completed(context, principal_arn, owner);
    context.extend(principal_context(world, caller, tags));
    let organization = world.organizations.id_of(owner);
    context.extend(organization.map(|id| ("aws:ResourceOrgID".to_owned(), id.to_owned())));
    // Lambda adds it to what a function's own code asks for, and not to what Lambda itself does with the role.
    let function = caller.instance.and_then(|instance| world.lambda.function_of(instance));
    context.extend(function.map(|arn| ("lambda:SourceFunctionArn".to_owned(), arn.to_owned())));
    context
}

/// What counts of permissions by now, when that is not all of them.
fn settled(world: &World, permissions: &Permissions) -> Option<Permissions> {
    let is_late = |arn: &String| !is_settled(world, arn);
    permissions.attached.iter().any(is_late).then(|| {
        let mut settled = permissions.clone();
        settled.attached.retain(|arn| is_settled(world, arn));
        settled
    })
}

fn is_settled(world: &World, policy: &str) -> bool {
    world.iam.unsettled.get(policy).is_none_or(|ready| *ready <= world.now())
}

/// Whether the caller has policies that do not count yet.
pub(crate) fn is_unsettled(world: &World, caller: &Caller) -> bool {
    let permissions = permissions_of(&world.iam, caller);
    permissions.is_ok_and(|(permissions, ..)| permissions.attached.iter().any(|arn| !is_settled(world, arn)))
}

/// What a simulation says of a call.
pub(super) struct Simulated {
    /// `allowed`, `explicitDeny` or `implicitDeny`.
    pub(super) decision: &'static str,
    /// The condition keys that the policies ask for and nobody has supplied.
    pub(super) missing: BTreeSet<String>,
}

/// Decides about a call that nobody makes, by the policies of a principal.
pub(super) fn simulate(
    iam: &State,
    permissions: &Permissions,
    principal_arn: &str,
    (action, resource): (&str, &str),
    context: &BTreeMap<String, String>,
) -> Simulated {
    let context = completed(context, principal_arn, account_of(resource));
    let decision = match own_refusal(iam, permissions, &Question { action, resource, context: &context }) {
        None => "allowed",
        Some(Reason::DeniedByIdentityPolicy | Reason::DeniedByBoundary | Reason::DeniedByResource) => "explicitDeny",
        Some(Reason::NoIdentityPolicy | Reason::NoBoundary | Reason::NoConsent) => "implicitDeny",
    };
    let attached = permissions.attached.iter().chain(&permissions.boundary).filter_map(|arn| iam.managed_policy(arn));
    let asked = permissions.inline.values().chain(attached).flat_map(|policy| policy.condition_keys(action));
    let is_supplied = |key: &str| context.keys().any(|supplied| supplied.eq_ignore_ascii_case(key));
    Simulated { decision, missing: asked.filter(|key| !is_supplied(key)).map(str::to_owned).collect() }
}

/// The condition keys of a call, with those that every call has; `owner` is the account of the resource.
fn completed(context: &BTreeMap<String, String>, principal_arn: &str, owner: &str) -> BTreeMap<String, String> {
    let mut context = context.clone();
    context.insert("aws:PrincipalArn".to_owned(), principal_arn.to_owned());
    // Loopback stands for the TLS that every SDK uses towards AWS.
    context.insert("aws:SecureTransport".to_owned(), "true".to_owned());
    if !owner.is_empty() {
        context.insert("aws:ResourceAccount".to_owned(), owner.to_owned());
    }
    context
}

/// The condition keys that tell more of a caller than the ARN: the account, the organization, and the tags, of which
/// those of a session count before those of its role.
fn principal_context<'a>(
    world: &World,
    caller: &'a Caller,
    tags: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = (String, String)> + use<'a> {
    let organization = world.organizations.id_of(&caller.account);
    let organization = organization.map(|id| ("aws:PrincipalOrgID".to_owned(), id.to_owned()));
    let account = ("aws:PrincipalAccount".to_owned(), caller.account.clone());
    let tags = tags.iter().chain(&caller.session_tags);
    let tags = tags.map(|(key, value)| (format!("aws:PrincipalTag/{key}"), value.clone()));
    let issued = caller.issued.map(|at| ("aws:TokenIssueTime".to_owned(), at.to_string()));
    std::iter::once(account).chain(organization).chain(issued).chain(tags)
}

/// Whether a resource's own policy lets a service do `action`, such as `secretsmanager.amazonaws.com` call a function.
pub(crate) fn resource_policy_allows(
    policy: &Value,
    service: &str,
    action: &str,
    resource: &str,
    context: &BTreeMap<String, String>,
) -> Result<bool, ApiError> {
    let policy = Policy::new(Kind::Resource, policy)?;
    let is_meant = |principal: &Principal| is_service(principal, service);
    Ok(policy.verdict_for(is_meant, &Question { action, resource, context }) == Verdict::Allow)
}

/// Checks the policy of a resource, so that what is wrong with it is an error when it is stored.
pub(crate) fn check_resource_policy(policy: &Value) -> Result<(), ApiError> {
    Policy::new(Kind::Resource, policy).map(drop)
}

/// Whether the policy of a resource lets anybody in at all.
pub(crate) fn is_public(policy: &Value) -> Result<bool, ApiError> {
    Policy::new(Kind::Resource, policy).map(|policy| policy.is_public())
}

/// Whether a service may assume a role, such as `lambda.amazonaws.com` that of a function.
pub(crate) fn trusts_service(world: &World, role_arn: &str, service: &str) -> Result<bool, ApiError> {
    let context = BTreeMap::new();
    let question = Question { action: "sts:AssumeRole", resource: role_arn, context: &context };
    let trust = &world.iam.role_by_arn(role_arn)?.trust;
    Ok(trust.verdict_for(|principal| is_service(principal, service), &question) == Verdict::Allow)
}

/// Whether a role lets somebody in whom an identity provider vouches for.
pub(crate) fn trusts_provider(
    world: &World,
    role_arn: &str,
    provider: &str,
    context: &BTreeMap<String, String>,
) -> Result<bool, ApiError> {
    let question = Question { action: "sts:AssumeRoleWithWebIdentity", resource: role_arn, context };
    let trust = &world.iam.role_by_arn(role_arn)?.trust;
    let is_meant = |principal: &Principal| match principal {
        Principal::Anyone => true,
        Principal::Federated(arn) => arn == provider,
        Principal::Account(_) | Principal::Arn(_) | Principal::Service(_) => false,
    };
    Ok(trust.verdict_for(is_meant, &question) == Verdict::Allow)
}

/// Why the caller's own policies refuse; `None` when they allow.
fn own_refusal(iam: &State, permissions: &Permissions, question: &Question<'_>) -> Option<Reason> {
    let attached = permissions.attached.iter().filter_map(|arn| iam.managed_policy(arn));
    let policies = permissions.inline.values().chain(attached);
    let identity = policies.map(|policy| policy.verdict(question)).max().unwrap_or(Verdict::Silent);
    // A boundary that has been deleted allows nothing.
    let bounded = |arn: &String| iam.managed_policy(arn).map_or(Verdict::Silent, |policy| policy.verdict(question));
    let boundary = permissions.boundary.as_ref().map_or(Verdict::Allow, bounded);
    match (identity, boundary) {
        (Verdict::Deny, _) => Some(Reason::DeniedByIdentityPolicy),
        (_, Verdict::Deny) => Some(Reason::DeniedByBoundary),
        (Verdict::Silent, _) => Some(Reason::NoIdentityPolicy),
        (Verdict::Allow, Verdict::Silent) => Some(Reason::NoBoundary),
        (Verdict::Allow, Verdict::Allow) => None,
    }
}

/// The caller's policies, the ARN that conditions know them by, and the tags: for a session, those of its role.
pub(super) fn permissions_of<'a>(
    iam: &'a State,
    caller: &Caller,
) -> Result<(&'a Permissions, String, &'a BTreeMap<String, String>), ApiError> {
    match &caller.principal {
        CallerKind::User(name) => {
            let user = iam.user(&caller.account, name)?;
            Ok((&user.permissions, user.arn.clone(), &user.tags))
        }
        CallerKind::Role(name) => {
            let role = iam.role(&caller.account, name)?;
            Ok((&role.permissions, role.arn.clone(), &role.tags))
        }
    }
}

fn is_service(principal: &Principal, service: &str) -> bool {
    match principal {
        Principal::Anyone => true,
        Principal::Service(name) => name == service,
        Principal::Account(_) | Principal::Arn(_) | Principal::Federated(_) => false,
    }
}

fn access_denied(who: &str, action: &str, resource: &str, reason: Reason) -> ApiError {
    let because = match reason {
        Reason::NoIdentityPolicy => format!("because no identity-based policy allows the {action} action"),
        Reason::NoBoundary => format!("because no permissions boundary allows the {action} action"),
        Reason::NoConsent => format!("because no resource-based policy allows the {action} action"),
        Reason::DeniedByIdentityPolicy => "with an explicit deny in an identity-based policy".to_owned(),
        Reason::DeniedByBoundary => "with an explicit deny in a permissions boundary".to_owned(),
        Reason::DeniedByResource => "with an explicit deny in a resource-based policy".to_owned(),
    };
    let (code, status) = match action.split_once(':').map(|(service, _)| service) {
        Some("iam" | "sts" | "cloudformation" | "s3") => ("AccessDenied", 403),
        Some("lambda") => ("AccessDeniedException", 403),
        _ => ("AccessDeniedException", 400),
    };
    let message = format!("User: {who} is not authorized to perform: {action} on resource: {resource} {because}");
    ApiError::new(code, message).with_status(status)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_has_the_code_of_the_service_that_was_asked() {
        let table = [
            ("iam:GetUser", "AccessDenied", 403),
            ("sts:AssumeRole", "AccessDenied", 403),
            ("cloudformation:DescribeStacks", "AccessDenied", 403),
            ("s3:PutObject", "AccessDenied", 403),
            ("lambda:InvokeFunction", "AccessDeniedException", 403),
            ("secretsmanager:GetSecretValue", "AccessDeniedException", 400),
            ("logs:PutLogEvents", "AccessDeniedException", 400),
        ];
        for (action, code, status) in table {
            let refusal = access_denied("arn", action, "*", Reason::NoIdentityPolicy);
            assert_eq!((refusal.code.as_str(), refusal.status), (code, status), "{action}");
        }
    }

    #[test]
    fn the_policy_of_a_function_lets_a_service_in() {
        let (function, account) = ("arn:aws:lambda:r:111122223333:function:f", "aws:SourceAccount");
        let policy = json!({
            "Version": "2012-10-17", "Id": "default",
            "Statement": [{
                "Sid": "a-permission", "Effect": "Allow", "Principal": { "Service": "secretsmanager.amazonaws.com" },
                "Action": "lambda:InvokeFunction", "Resource": function,
                "Condition": { "StringEquals": { account: "111122223333" } },
            }],
        });
        let (secrets_manager, events) = ("secretsmanager.amazonaws.com", "events.amazonaws.com");
        let table = [
            (secrets_manager, "lambda:InvokeFunction", function, Some("111122223333"), true),
            (secrets_manager, "lambda:InvokeFunction", function, Some("444455556666"), false),
            (secrets_manager, "lambda:InvokeFunction", function, None, false),
            (secrets_manager, "lambda:InvokeFunction", "arn:aws:lambda:r:1:function:g", Some("111122223333"), false),
            (secrets_manager, "lambda:GetFunction", function, Some("111122223333"), false),
            (events, "lambda:InvokeFunction", function, Some("111122223333"), false),
        ];
        for (service, action, resource, source, allowed) in table {
            let context = source.map(|source| (account.to_owned(), source.to_owned())).into_iter().collect();
            let answer = resource_policy_allows(&policy, service, action, resource, &context);
            assert_eq!(answer, Ok(allowed), "{service} {action} {resource} {source:?}");
        }
    }
}
