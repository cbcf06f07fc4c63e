//! The operations of the API: Invoke, reading what a function is, and giving it other code.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::code;
use super::function::{Function, arn_of, not_found};
use super::invocation::{self, Purpose};
use super::queue;
use crate::answer::Answer;
use crate::input::JsonInput;
use crate::request::{HttpRequest, Request};
use crate::{ApiError, World};

/// What passes on the clock while somebody waits for a function.
const WAIT_AFTER_A_LOOK: Duration = Duration::from_secs(1);

/// Every path of the API begins with its version.
const FUNCTIONS: &str = "/2015-03-31/functions/";

/// The operation that method and path stand for.
pub(crate) fn operation(http: &HttpRequest) -> Result<&'static str, ApiError> {
    let path = http.path.strip_prefix(FUNCTIONS).map(|path| path.split_once('/').map_or("", |(_, rest)| rest));
    match (http.method.as_str(), path) {
        ("POST", Some("invocations")) => Ok("Invoke"),
        ("GET", Some("")) => Ok("GetFunction"),
        ("GET", Some("configuration")) => Ok("GetFunctionConfiguration"),
        ("GET", Some("policy")) => Ok("GetPolicy"),
        ("PUT", Some("code")) => Ok("UpdateFunctionCode"),
        (method, _) => Err(ApiError::unknown("operation", &format!("{method} {}", http.path))),
    }
}

pub(crate) fn handle(world: &mut World, request: &Request) -> Result<Answer, ApiError> {
    if !request.http.query.is_empty() {
        return Err(ApiError::unknown("parameter", &request.http.query));
    }
    let (arn, now) = (function_arn(request)?, world.now());
    match request.operation.as_str() {
        "Invoke" => invoke(world, request, &arn),
        "GetFunction" => permitted(world, request, "lambda:GetFunction", &arn).map(|function| {
            let function_json = function.to_json(now);
            let code = json!({ "RepositoryType": "S3" });
            let mut answer = json!({ "Configuration": function_json, "Code": code });
            if let Some(fields) = answer.as_object_mut() {
                fields.insert("Tags".into(), json!(function.configuration.tags));
                let concurrency = function.configuration.concurrency;
                let concurrency = concurrency.map(|limit| json!({ "ReservedConcurrentExecutions": limit }));
                fields.extend(concurrency.map(|concurrency| ("Concurrency".to_owned(), concurrency)));
            }
            Answer::Json(answer)
        }),
        "GetFunctionConfiguration" => {
            let function = permitted(world, request, "lambda:GetFunctionConfiguration", &arn)?;
            let (shown, is_ready) = (function.to_json(now), function.ready <= now);
            if !is_ready {
                // Whoever looks at what is still to come is taken to wait before the next look.
                world.agenda.pass(WAIT_AFTER_A_LOOK);
            }
            Ok(Answer::Json(shown))
        }
        "GetPolicy" => {
            let function = permitted(world, request, "lambda:GetPolicy", &arn)?;
            let policy = function.policy_document().ok_or_else(|| {
                ApiError::new("ResourceNotFoundException", "The resource you requested does not exist.")
                    .with_status(404)
            })?;
            Ok(Answer::Json(json!({ "Policy": policy.to_string(), "RevisionId": function.revision })))
        }
        "UpdateFunctionCode" => update_code(world, request, &arn),
        other => Err(ApiError::unknown("operation", other)),
    }
}

/// Gives a function other code, and leaves the rest of it as it is.
fn update_code(world: &mut World, request: &Request, arn: &str) -> Result<Answer, ApiError> {
    let mut input = JsonInput::new(&request.http)?;
    let source = code::take(&mut input)?;
    let architectures = input.texts("Architectures")?;
    input.finish()?;
    permitted(world, request, "lambda:UpdateFunctionCode", arn)?;
    let code = code::fetch(world, &request.caller, &request.region, &source)?;
    let (now, revision) = (world.now(), world.random_uuid());
    let function = world.lambda.functions.get_mut(arn).ok_or_else(|| not_found(arn))?;
    if function.ready > now {
        let message =
            format!("The operation cannot be performed at this time. An update is in progress for resource: {arn}");
        return Err(ApiError::new("ResourceConflictException", message).with_status(409));
    }
    if let Some(architecture) = architectures.into_iter().next() {
        function.configuration.architecture = architecture;
    }
    (function.code, function.modified, function.revision) = (code, now, revision);
    Ok(Answer::Json(function.to_json(now)))
}

fn invoke(world: &mut World, request: &Request, arn: &str) -> Result<Answer, ApiError> {
    let headers = &request.http.headers;
    let option = |name: &str, default: &str| headers.get(name).map_or(default.to_owned(), String::clone);
    let is_event = match option("x-amz-invocation-type", "RequestResponse").as_str() {
        "RequestResponse" => false,
        "Event" => true,
        other => return Err(ApiError::unknown("invocation type", other)),
    };
    let with_log = match option("x-amz-log-type", "None").as_str() {
        "None" => false,
        "Tail" if is_event => return Err(ApiError::unknown("log type of an event", "Tail")),
        "Tail" => true,
        other => return Err(ApiError::unknown("log type", other)),
    };
    let now = world.now();
    if permitted(world, request, "lambda:InvokeFunction", arn)?.ready > now {
        let message =
            "The operation cannot be performed at this time. The function is currently in the following state: Pending";
        world.agenda.pass(WAIT_AFTER_A_LOOK);
        return Err(ApiError::new("ResourceConflictException", message).with_status(409));
    }
    // A call without a payload sends the function an empty object.
    let payload = if request.http.body.is_empty() { b"{}".to_vec() } else { request.http.body.clone() };
    if serde_json::from_slice::<Value>(&payload).is_err() {
        let message = "Could not parse request body into json: it is not valid JSON";
        return Err(ApiError::new("InvalidRequestContentException", message));
    }
    if is_event {
        queue::accept(world, arn, payload)?;
        return Ok(Answer::Raw { status: 202, headers: Vec::new(), body: Vec::new() });
    }
    let request_id = world.random_uuid();
    invocation::begin(world, arn, request_id, payload, Purpose::Request { with_log }).map(Answer::Later)
}

fn permitted<'a>(world: &'a mut World, request: &Request, action: &str, arn: &str) -> Result<&'a Function, ApiError> {
    world.authorize(&request.caller, action, arn, &BTreeMap::new())?;
    world.lambda.functions.get(arn).ok_or_else(|| not_found(arn))
}

/// The function that the path names: by its name or by its ARN.
fn function_arn(request: &Request) -> Result<String, ApiError> {
    let encoded = request.http.path.strip_prefix(FUNCTIONS).and_then(|path| path.split('/').next()).unwrap_or_default();
    let name = encoded.replace("%3A", ":");
    match name.strip_prefix(&format!("arn:{}:lambda:", request.caller.partition())) {
        Some(_) => Ok(name),
        None if !name.contains([':', '%']) => Ok(arn_of(&request.caller.account, &request.region, &name)),
        _ => Err(ApiError::unknown("form of function name", &name)),
    }
}
