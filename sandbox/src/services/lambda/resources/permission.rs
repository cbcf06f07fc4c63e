//! AWS::Lambda::Permission: a statement of a function's resource policy.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::function::{arn_of, not_found};
use crate::services::cloudformation::resource::{Created, Identifier, Order, Schema, set};
use crate::{ApiError, World};

pub(super) const SCHEMA: Schema = Schema {
    properties: &["Action", "FunctionName", "Principal", "SourceAccount", "SourceArn"],
    required: &["Action", "FunctionName", "Principal"],
    create_only: &["Action", "FunctionName", "Principal", "SourceAccount", "SourceArn"],
    creation_takes: Duration::from_secs(1),
    identifier: Identifier::None,
    readable: Some(&["Action", "Principal", "SourceAccount", "SourceArn"]),
};

pub(super) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let mut input = order.input()?;
    let action = input.required("Action")?;
    let function = function_arn(order, &input.required("FunctionName")?);
    let principal = input.required("Principal")?;
    let (account, source) = (input.text("SourceAccount")?, input.text("SourceArn")?);
    input.finish()?;
    if !principal.ends_with(".amazonaws.com") {
        return Err(ApiError::unknown("principal", &principal));
    }
    world.authorize(&order.caller, "lambda:AddPermission", &function, &BTreeMap::new())?;
    let id = order.generated_name(world, 100);
    let statement = statement(&id, &action, &function, &principal, account, source);
    let function = world.lambda.functions.get_mut(&function).ok_or_else(|| not_found(&function))?;
    function.policy.insert(id.clone(), statement);
    Ok(Created { physical_id: id.clone(), attributes: BTreeMap::from([("Id".to_owned(), id)]) })
}

pub(super) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    let function = function_arn(order, &order.input()?.required("FunctionName")?);
    world.authorize(&order.caller, "lambda:RemovePermission", &function, &BTreeMap::new())?;
    if let Some(function) = world.lambda.functions.get_mut(&function) {
        function.policy.remove(id);
    }
    Ok(())
}

pub(super) fn read(world: &World, order: &Order, id: &str) -> Result<Option<Value>, ApiError> {
    let function = function_arn(order, &order.input()?.required("FunctionName")?);
    let statement = world.lambda.functions.get(&function).and_then(|function| function.policy.get(id));
    let read = |statement: &Value| {
        set([
            ("Action", statement.pointer("/Action").cloned()),
            ("Principal", statement.pointer("/Principal/Service").cloned()),
            ("SourceAccount", statement.pointer("/Condition/StringEquals/aws:SourceAccount").cloned()),
            ("SourceArn", statement.pointer("/Condition/ArnLike/aws:SourceArn").cloned()),
        ])
    };
    Ok(statement.map(read))
}

fn statement(
    id: &str,
    action: &str,
    function: &str,
    principal: &str,
    account: Option<String>,
    source: Option<String>,
) -> Value {
    let mut statement = json!({
        "Sid": id,
        "Effect": "Allow",
        "Principal": { "Service": principal },
        "Action": action,
        "Resource": function,
    });
    let account = account.map(|account| ("StringEquals".to_owned(), json!({ "aws:SourceAccount": account })));
    let source = source.map(|source| ("ArnLike".to_owned(), json!({ "aws:SourceArn": source })));
    let conditions: Map<String, Value> = account.into_iter().chain(source).collect();
    if let Some(fields) = statement.as_object_mut().filter(|_| !conditions.is_empty()) {
        fields.insert("Condition".into(), conditions.into());
    }
    statement
}

/// FunctionName may be a name or an ARN.
fn function_arn(order: &Order, name: &str) -> String {
    match name.starts_with("arn:") {
        true => name.to_owned(),
        false => arn_of(&order.caller.account, &order.region, name),
    }
}
