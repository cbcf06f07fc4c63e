//! By which role a stack set works in an account.

use std::collections::BTreeMap;

use serde_json::json;

use super::access;
use super::set::{Permissions, StackSet};
use crate::call_log::Outcome;
use crate::request::Caller;
use crate::services::{iam, organizations};
use crate::{ApiError, World, partition};

/// What the name of the role begins with that StackSets has in the accounts of an organization.
pub(crate) const MEMBER_ROLE: &str = "stacksets-exec-";

/// The name of a session of StackSets.
const SESSION: &str = "stackset";

/// Whom the stacks in an account are built as; the error is the reason why that is nobody.
pub(super) fn worker(world: &mut World, set: &StackSet, account: &str) -> Result<Caller, String> {
    if !organizations::is_ready(world, account) {
        organizations::wait_after_refusal(world, account);
        let reason = "The AWS Access Key Id needs a subscription for the service";
        return Err(format!("Account {account} is not ready: {reason}"));
    }
    match &set.permissions {
        Permissions::ServiceManaged { .. } => by_service(world, &set.account, account),
        Permissions::SelfManaged { administration_role, execution_role } => {
            by_roles(world, administration_role, execution_role, account)
        }
    }
}

/// StackSets puts its role into an account when it first needs it there. It may do everything.
fn by_service(world: &mut World, management: &str, account: &str) -> Result<Caller, String> {
    if !access::is_activated(world, management) {
        return Err("Organizations access is not enabled for StackSets".to_owned());
    }
    let told = |error: ApiError| error.message;
    let roles = world.iam.accounts.get(account).into_iter().flat_map(|account| account.roles.values());
    let present = roles.into_iter().find(|role| role.name.starts_with(MEMBER_ROLE)).map(|role| role.arn.clone());
    let arn = match present {
        Some(arn) => arn,
        None if organizations::management_of(world, account).as_deref() != Some(management) => {
            return Err(format!("Account {account} is not a member of the organization"));
        }
        None => create(world, management, account).map_err(told)?,
    };
    iam::as_role(&world.iam, &arn, SESSION).map_err(told)
}

fn create(world: &mut World, management: &str, account: &str) -> Result<String, ApiError> {
    let name = format!("{MEMBER_ROLE}{}", world.random_uuid().replace('-', ""));
    let partition = world.iam.account_mut(management)?.partition;
    let (service, role) =
        ("stacksets.cloudformation.amazonaws.com", "AWSServiceRoleForCloudFormationStackSetsOrgAdmin");
    let trusted = format!("arn:{partition}:iam::{management}:role/aws-service-role/{service}/{role}");
    let statement = json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": trusted } });
    let trust = json!({ "Version": "2012-10-17", "Statement": statement }).to_string();
    let everything = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let arn = world.create_role(account, &name, &trust)?;
    world.put_role_policy(account, &name, "AdministratorAccess", everything)?;
    Ok(arn)
}

/// The service assumes the role of the administering account, and that assumes the one in the account.
fn by_roles(world: &mut World, administration: &str, execution: &str, account: &str) -> Result<Caller, String> {
    let refused = || {
        let name = administration.rsplit('/').next().unwrap_or_default();
        format!("Account {account} should have '{execution}' role with trust relationship to Role '{name}'.")
    };
    let service = "cloudformation.amazonaws.com";
    if !iam::trusts_service(world, administration, service).unwrap_or_default() {
        return Err(format!("CloudFormation cannot assume the role {administration}: it does not trust {service}"));
    }
    let administrator = iam::as_role(&world.iam, administration, SESSION).map_err(|error| error.message)?;
    let arn = format!("arn:{}:iam::{account}:role/{execution}", partition::in_arn(administration));
    let context = BTreeMap::from([("sts:RoleSessionName".to_owned(), SESSION.to_owned())]);
    let allowed = world.authorize(&administrator, "sts:AssumeRole", &arn, &context);
    let outcome = allowed.as_ref().map_or_else(|error| Outcome::Refused(error.code.clone()), |()| Outcome::Done);
    world.note_call(&administrator.arn, "sts:AssumeRole", outcome);
    allowed.map_err(|_| refused())?;
    iam::as_role(&world.iam, &arn, SESSION).map_err(|_| refused())
}
