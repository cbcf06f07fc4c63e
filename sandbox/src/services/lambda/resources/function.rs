//! AWS::Lambda::Function.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::Effect;
use super::super::code::{self, Source};
use super::super::function::{Configuration, Function, arn_of, invalid, not_found};
use super::configuration;
use crate::input::JsonInput;
use crate::request::{Caller, Principal};
use crate::services::cloudformation::resource::{Created, Identifier, Order, Schema, set, tags};
use crate::services::iam;
use crate::{ApiError, World};

pub(super) const SCHEMA: Schema = Schema {
    properties: &[
        "Architectures",
        "Code",
        "Description",
        "Environment",
        "FunctionName",
        "Handler",
        "KmsKeyArn",
        "LoggingConfig",
        "MemorySize",
        "ReservedConcurrentExecutions",
        "Role",
        "Runtime",
        "Tags",
        "Timeout",
        "VpcConfig",
    ],
    required: &["Code", "Role"],
    create_only: &["FunctionName"],
    // 2 seconds until it is there, 5 until it is Active.
    creation_takes: Duration::from_secs(7),
    identifier: Identifier::Property("FunctionName"),
    readable: Some(&[
        "Architectures",
        "Description",
        "Environment",
        "Handler",
        "LoggingConfig",
        "MemorySize",
        "ReservedConcurrentExecutions",
        "Role",
        "Runtime",
        "Tags",
        "Timeout",
        "VpcConfig",
    ]),
};

pub(super) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let mut input = order.input()?;
    let name = input.text("FunctionName")?.unwrap_or_else(|| order.generated_name(world, 64));
    check_name(&name)?;
    let source = source(&mut input)?;
    let configuration = configuration::take(input, &name)?;
    let arn = arn_of(&order.caller.account, &order.region, &name);

    permit(world, order, &arn, "lambda:CreateFunction")?;
    if !configuration.tags.is_empty() {
        permit(world, order, &arn, "lambda:TagResource")?;
    }
    if configuration.concurrency.is_some() {
        permit(world, order, &arn, "lambda:PutFunctionConcurrency")?;
    }
    permit_role(world, order, &configuration.role)?;
    if configuration.vpc.is_some() {
        permit_network(world, &configuration.role)?;
    }
    let code = code::fetch(world, &order.caller, &order.region, &source)?;
    if world.lambda.functions.contains_key(&arn) {
        let message = format!("Function already exist: {name}");
        return Err(ApiError::new("ResourceConflictException", message).with_status(409));
    }
    let (modified, revision) = (world.now(), world.random_uuid());
    let policy = BTreeMap::new();
    let ready = modified;
    let function = Function { arn: arn.clone(), name, configuration, code, policy, modified, ready, revision };
    let created = created(&function);
    world.lambda.functions.insert(arn, function);
    Ok(created)
}

pub(super) fn update(world: &mut World, order: &Order, id: &str, previous: &Value) -> Result<Created, ApiError> {
    let mut input = order.input()?;
    input.text("FunctionName")?;
    let source = source(&mut input)?;
    let wanted = configuration::take(input, id)?;
    let arn = arn_of(&order.caller.account, &order.region, id);

    let new_code = match order.properties.get("Code") == previous.get("Code") {
        true => None,
        false => {
            permit(world, order, &arn, "lambda:UpdateFunctionCode")?;
            Some(code::fetch(world, &order.caller, &order.region, &source)?)
        }
    };
    let present = world.lambda.functions.get(&arn).ok_or_else(|| not_found(&arn))?.configuration.clone();
    permit_changes(world, order, &arn, &present, &wanted)?;
    let (modified, revision) = (world.now(), world.random_uuid());
    let function = world.lambda.functions.get_mut(&arn).ok_or_else(|| not_found(&arn))?;
    if let Some(code) = new_code {
        function.code = code;
    }
    function.configuration = wanted;
    function.modified = modified;
    function.revision = revision;
    Ok(created(function))
}

pub(super) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    let arn = arn_of(&order.caller.account, &order.region, id);
    permit(world, order, &arn, "lambda:DeleteFunction")?;
    world.lambda.functions.remove(&arn);
    let instances = world.lambda.instances.iter().filter(|(_, instance)| instance.function == arn);
    for instance in instances.map(|(id, _)| *id).collect::<Vec<_>>() {
        world.push_effect(Effect::Kill(instance));
    }
    Ok(())
}

pub(super) fn read(world: &World, order: &Order, id: &str) -> Option<Value> {
    let arn = arn_of(&order.caller.account, &order.region, id);
    let Function { configuration, .. } = world.lambda.functions.get(&arn)?;
    let Configuration { environment, logging, .. } = configuration;
    let format = if logging.is_json { "JSON" } else { "Text" };
    let logging = set([
        ("LogFormat", Some(format.into())),
        ("LogGroup", Some(logging.group.as_str().into())),
        ("ApplicationLogLevel", logging.level.as_deref().map(Value::from)),
    ]);
    Some(set([
        ("Architectures", Some(json!([configuration.architecture]))),
        ("Description", configuration.description.as_deref().map(Value::from)),
        ("Environment", (!environment.is_empty()).then(|| json!({ "Variables": environment }))),
        ("Handler", Some(configuration.handler.as_str().into())),
        ("LoggingConfig", Some(logging)),
        ("MemorySize", Some(configuration.memory.into())),
        ("ReservedConcurrentExecutions", configuration.concurrency.map(Value::from)),
        ("Role", Some(configuration.role.as_str().into())),
        ("Runtime", Some(configuration.runtime.as_str().into())),
        ("Tags", tags(&configuration.tags)),
        ("Timeout", Some(configuration.timeout.into())),
        ("VpcConfig", configuration.vpc.clone()),
    ]))
}

pub(super) fn find(world: &mut World, order: &Order) -> Result<Option<Created>, ApiError> {
    let Some(name) = order.input()?.text("FunctionName")? else { return Ok(None) };
    let arn = arn_of(&order.caller.account, &order.region, &name);
    permit(world, order, &arn, "lambda:GetFunction")?;
    Ok(world.lambda.functions.get(&arn).map(created))
}

/// Where the code is from.
fn source(input: &mut JsonInput) -> Result<Source, ApiError> {
    let mut code = input.structure("Code")?.unwrap_or_default();
    let source = code::take(&mut code)?;
    code.finish()?;
    Ok(source)
}

/// An update asks for no more permissions than it needs.
fn permit_changes(
    world: &mut World,
    order: &Order,
    arn: &str,
    present: &Configuration,
    wanted: &Configuration,
) -> Result<(), ApiError> {
    let rest = |configuration: &Configuration| Configuration {
        tags: BTreeMap::new(),
        concurrency: None,
        ..configuration.clone()
    };
    if rest(present) != rest(wanted) {
        permit(world, order, arn, "lambda:UpdateFunctionConfiguration")?;
    }
    if present.tags != wanted.tags {
        permit(world, order, arn, "lambda:TagResource")?;
    }
    match (present.concurrency, wanted.concurrency) {
        (before, after) if before == after => {}
        (_, None) => permit(world, order, arn, "lambda:DeleteFunctionConcurrency")?,
        (_, Some(_)) => permit(world, order, arn, "lambda:PutFunctionConcurrency")?,
    }
    if present.role != wanted.role {
        permit_role(world, order, &wanted.role)?;
    }
    if wanted.vpc.is_some() && (&present.vpc, &present.role) != (&wanted.vpc, &wanted.role) {
        permit_network(world, &wanted.role)?;
    }
    Ok(())
}

/// The caller must be allowed to hand the role to Lambda, and the role must let Lambda assume it.
fn permit_role(world: &mut World, order: &Order, role: &str) -> Result<(), ApiError> {
    let context = BTreeMap::from([("iam:PassedToService".to_owned(), "lambda.amazonaws.com".to_owned())]);
    world.authorize(&order.caller, "iam:PassRole", role, &context)?;
    match iam::trusts_service(world, role, "lambda.amazonaws.com") {
        Ok(true) => Ok(()),
        _ => Err(invalid("The role defined for the function cannot be assumed by Lambda.")),
    }
}

/// What Lambda does for a function in a network with the permissions of its role (developer guide, "Required IAM
/// permissions" for functions in a VPC; those of the managed policy AWSLambdaVPCAccessExecutionRole).
const IN_A_NETWORK: [&str; 6] = [
    "CreateNetworkInterface",
    "DescribeNetworkInterfaces",
    "DescribeSubnets",
    "DeleteNetworkInterface",
    "AssignPrivateIpAddresses",
    "UnassignPrivateIpAddresses",
];

fn permit_network(world: &mut World, role: &str) -> Result<(), ApiError> {
    const SESSION: &str = "lambda";
    let account = role.split(':').nth(4).unwrap_or_default().to_owned();
    let role = world.iam.role_by_arn(role)?;
    let lambda = Caller {
        account,
        arn: role.session_arn(SESSION),
        user_id: role.session_id(SESSION),
        principal: Principal::Role(role.name.clone()),
        instance: None,
        session_tags: BTreeMap::new(),
        issued: None,
    };
    for operation in IN_A_NETWORK {
        let allowed = world.authorize(&lambda, &format!("ec2:{operation}"), "*", &BTreeMap::new());
        allowed.map_err(|_| {
            invalid(format!("The provided execution role does not have permissions to call {operation} on EC2"))
        })?;
    }
    Ok(())
}

fn permit(world: &mut World, order: &Order, arn: &str, action: &str) -> Result<(), ApiError> {
    world.authorize(&order.caller, action, arn, &BTreeMap::new())
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if (1..=64).contains(&name.len()) && name.chars().all(legal) {
        return Ok(());
    }
    Err(invalid(format!("`{name}` is not a function name: 1 to 64 letters, digits, - and _")))
}

fn created(function: &Function) -> Created {
    let attributes = BTreeMap::from([("Arn".to_owned(), function.arn.clone())]);
    Created { physical_id: function.name.clone(), attributes }
}
