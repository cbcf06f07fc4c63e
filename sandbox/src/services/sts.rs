//! STS: who the caller is, and sessions of roles.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::answer::{Answer, Xml};
use crate::input::QueryInput;
use crate::request::{Caller, Principal, Request};
use crate::services::{iam, organizations};
use crate::{ApiError, World};

/// How long a session lasts when nobody says, and at most when a session opens another one (IAM user guide, "Role
/// chaining").
const HOUR: Duration = Duration::from_secs(3600);

/// The shortest session (STS API reference, AssumeRole).
const SHORTEST_SESSION: Duration = Duration::from_secs(900);

/// How many tags a session may have.
const MOST_TAGS: usize = 50;

pub(crate) fn handle(world: &mut World, request: &Request) -> Result<Answer, ApiError> {
    let input = QueryInput::new(&request.http);
    let answer = match request.operation.as_str() {
        "AssumeRole" => assume_role(world, &request.caller, input),
        "GetAccessKeyInfo" => access_key_info(world, &request.caller, input),
        "GetCallerIdentity" => caller_identity(&request.caller, input),
        other => Err(ApiError::unknown("operation", other)),
    };
    answer.map(Answer::Xml)
}

/// Needs no permission, so it asks for none.
fn caller_identity(caller: &Caller, input: QueryInput) -> Result<Xml, ApiError> {
    input.finish()?;
    Ok(Xml::new().text("Arn", &caller.arn).text("UserId", &caller.user_id).text("Account", &caller.account))
}

/// Tells the account of a key, whosever it is. STS knows no resource for it (service authorization reference). Of a deleted
/// key the reference says that it "might return an error that the key doesn't exist", without its code.
fn access_key_info(world: &mut World, caller: &Caller, mut input: QueryInput) -> Result<Xml, ApiError> {
    let id = input.required("AccessKeyId")?;
    input.finish()?;
    if !(16..=128).contains(&id.len()) || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(ApiError::new("ValidationError", format!("The specified value for accessKeyId is invalid: {id}")));
    }
    world.authorize(caller, "sts:GetAccessKeyInfo", "*", &BTreeMap::new())?;
    match world.iam.keys.get(&id) {
        Some(key) => Ok(Xml::new().text("Account", &key.account)),
        None => Err(ApiError::new("ValidationError", format!("The access key {id} does not exist."))),
    }
}

fn assume_role(world: &mut World, caller: &Caller, mut input: QueryInput) -> Result<Xml, ApiError> {
    let role_arn = input.required("RoleArn")?;
    let session_name = input.required("RoleSessionName")?;
    let lasting = input.text("DurationSeconds");
    let (serial, code) = (input.text("SerialNumber"), input.text("TokenCode"));
    let mut context = BTreeMap::from([("sts:RoleSessionName".to_owned(), session_name.clone())]);
    if let Some(external_id) = input.text("ExternalId") {
        context.insert("sts:ExternalId".to_owned(), external_id);
    }
    let tags = session_tags(&mut input)?;
    context.extend(tags.iter().map(|(key, value)| (format!("aws:RequestTag/{key}"), value.clone())));
    input.finish()?;
    iam::check_name("roleSessionName", &session_name, 2..=64)?;
    if iam::is_mfa_proven(world, caller, serial.as_deref(), code.as_deref())? {
        context.insert("aws:MultiFactorAuthPresent".to_owned(), "true".to_owned());
    }
    let mut allowed = world.authorize(caller, "sts:AssumeRole", &role_arn, &context);
    if allowed.is_ok() && !tags.is_empty() {
        // It takes neither the external id nor the session's name for a condition (service authorization reference).
        context.retain(|key, _| !key.starts_with("sts:"));
        allowed = world.authorize(caller, "sts:TagSession", &role_arn, &context);
    }
    if allowed.is_err() {
        organizations::wait_after_refusal(world, role_arn.split(':').nth(4).unwrap_or_default());
    }
    allowed?;
    let lasting = checked_duration(world, Some(caller), &role_arn, lasting.as_deref())?;
    opened(world, &role_arn, &session_name, lasting, tags)
}

/// The tags that a session is to have (STS API reference, AssumeRole, Tags: 50 at most, their keys up to 128 characters,
/// their values up to 256).
fn session_tags(input: &mut QueryInput) -> Result<BTreeMap<String, String>, ApiError> {
    let invalid = |message: String| ApiError::new("ValidationError", message);
    let mut tags = BTreeMap::new();
    for mut item in input.items("Tags") {
        let (key, value) = (item.required("Key")?, item.required("Value")?);
        item.finish()?;
        if !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256 || key.starts_with("aws:") {
            return Err(invalid(format!("The tag `{key}` is not one that a session may have.")));
        }
        if tags.insert(key.clone(), value).is_some() {
            return Err(ApiError::new("InvalidParameterValue", format!("Duplicate tag keys found: {key}")));
        }
    }
    if tags.len() > MOST_TAGS { Err(invalid(format!("A session has {MOST_TAGS} tags at most."))) } else { Ok(tags) }
}

/// Is not signed, so nobody calls it.
pub(crate) fn assume_role_with_web_identity(world: &mut World, mut input: QueryInput) -> Result<Xml, ApiError> {
    let role_arn = input.required("RoleArn")?;
    let session_name = input.required("RoleSessionName")?;
    let token = input.required("WebIdentityToken")?;
    let lasting = input.text("DurationSeconds");
    input.finish()?;
    iam::check_name("roleSessionName", &session_name, 2..=64)?;
    let (provider, context) = iam::read_identity_token(world, &role_arn, &token)?;
    // A role that is not there trusts nobody; AWS does not tell the two apart either.
    if !iam::trusts_provider(world, &role_arn, &provider, &context).unwrap_or(false) {
        let message = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
        return Err(ApiError::new("AccessDenied", message).with_status(403));
    }
    let lasting = checked_duration(world, None, &role_arn, lasting.as_deref())?;
    opened(world, &role_arn, &session_name, lasting, BTreeMap::new())
}

/// Opens a session and shows it.
fn opened(
    world: &mut World,
    role_arn: &str,
    session_name: &str,
    lasting: Duration,
    tags: BTreeMap<String, String>,
) -> Result<Xml, ApiError> {
    let expires = world.agenda.after(lasting);
    let credentials = iam::open_session(world, role_arn, session_name, None, lasting, tags)?;
    let credentials = Xml::new()
        .text("AccessKeyId", &credentials.access_key_id)
        .text("SecretAccessKey", &credentials.secret_access_key)
        .optional("SessionToken", credentials.session_token)
        .text("Expiration", iam::date(expires));
    let role = world.iam.role_by_arn(role_arn)?;
    let user =
        Xml::new().text("AssumedRoleId", role.session_id(session_name)).text("Arn", role.session_arn(session_name));
    Ok(Xml::new().element("Credentials", credentials).element("AssumedRoleUser", user))
}

/// How long the session may last: as long as the role says, and an hour when a role assumes another one.
fn checked_duration(
    world: &World,
    caller: Option<&Caller>,
    role_arn: &str,
    asked: Option<&str>,
) -> Result<Duration, ApiError> {
    let invalid = |message: &str| Err(ApiError::new("ValidationError", message));
    let asked = match asked.map(str::parse) {
        None => HOUR,
        Some(Ok(seconds)) if Duration::from_secs(seconds) >= SHORTEST_SESSION => Duration::from_secs(seconds),
        Some(_) => return invalid("DurationSeconds must be 900 or more."),
    };
    if asked > world.iam.role_by_arn(role_arn)?.longest_session {
        return invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.");
    }
    if caller.is_some_and(|caller| matches!(caller.principal, Principal::Role(_))) && asked > HOUR {
        return invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        );
    }
    Ok(asked)
}
