//! The configuration that the properties of a function describe, with Lambda's defaults and limits.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::function::{Configuration, Logging, invalid};
use super::super::launch::RESERVED;
use crate::ApiError;
use crate::input::JsonInput;

/// All variables together, names and values: 4 KB.
const LARGEST_ENVIRONMENT: usize = 4096;

/// Takes everything that is left of the properties after name and code.
pub(super) fn take(mut input: JsonInput, name: &str) -> Result<Configuration, ApiError> {
    let configuration = Configuration {
        description: input.text("Description")?,
        role: input.required("Role")?,
        runtime: input.text("Runtime")?.unwrap_or_default(),
        handler: input.text("Handler")?.unwrap_or_default(),
        architecture: architecture(input.texts("Architectures")?)?,
        timeout: whole(&mut input, "Timeout", 3, 1..=900)?,
        memory: whole(&mut input, "MemorySize", 128, 128..=10_240)?,
        environment: environment(&mut input)?,
        key: input.text("KmsKeyArn")?,
        concurrency: match input.number("ReservedConcurrentExecutions")? {
            None => None,
            Some(limit) => {
                Some(usize::try_from(limit).map_err(|_| invalid("ReservedConcurrentExecutions is below 0"))?)
            }
        },
        logging: logging(&mut input, name)?,
        vpc: vpc(&mut input)?,
        tags: input.tags("Tags")?,
    };
    input.finish()?;
    // The others run on interpreters that the sandbox has not.
    match configuration.runtime.as_str() {
        "provided.al2023" if configuration.handler.is_empty() => {
            Err(invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages."))
        }
        "provided.al2023" => Ok(configuration),
        other => Err(ApiError::unknown("runtime", other)),
    }
}

fn architecture(given: Vec<String>) -> Result<String, ApiError> {
    match given.as_slice() {
        [] => Ok("x86_64".to_owned()),
        [one] if one == "x86_64" || one == "arm64" => Ok(one.clone()),
        other => Err(invalid(format!("{other:?} is not one of [x86_64] and [arm64]"))),
    }
}

fn whole(
    input: &mut JsonInput,
    name: &str,
    default: u32,
    range: std::ops::RangeInclusive<u32>,
) -> Result<u32, ApiError> {
    match input.number(name)? {
        None => Ok(default),
        Some(number) => u32::try_from(number)
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| invalid(format!("{name} is {number} and must be in {range:?}"))),
    }
}

fn environment(input: &mut JsonInput) -> Result<BTreeMap<String, String>, ApiError> {
    let Some(mut environment) = input.structure("Environment")? else { return Ok(BTreeMap::new()) };
    let variables = environment.value("Variables").unwrap_or(Value::Object(serde_json::Map::new()));
    environment.finish()?;
    let variables: BTreeMap<String, String> =
        serde_json::from_value(variables).map_err(|_| invalid("Environment.Variables is not a map of strings"))?;
    for name in variables.keys() {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(legal) || name.len() < 2 {
            return Err(invalid(format!("`{name}` is not a name for an environment variable of a function")));
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(invalid(format!(
                "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {name}"
            )));
        }
    }
    if variables.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > LARGEST_ENVIRONMENT {
        return Err(invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit.",
        ));
    }
    Ok(variables)
}

fn logging(input: &mut JsonInput, name: &str) -> Result<Logging, ApiError> {
    let default_group = format!("/aws/lambda/{name}");
    let Some(mut logging) = input.structure("LoggingConfig")? else {
        return Ok(Logging { group: default_group, is_json: false, level: None });
    };
    let is_json = match logging.text("LogFormat")?.as_deref() {
        None | Some("Text") => false,
        Some("JSON") => true,
        Some(other) => return Err(invalid(format!("`{other}` is not one of the log formats Text and JSON"))),
    };
    let group = logging.text("LogGroup")?.unwrap_or(default_group);
    let level = logging.text("ApplicationLogLevel")?;
    // What it hides are lines that the sandbox does not write.
    let system_level = logging.text("SystemLogLevel")?;
    logging.finish()?;
    if !is_json && (level.is_some() || system_level.is_some()) {
        return Err(invalid("Log levels can be set for the log format JSON only"));
    }
    Ok(Logging { group, is_json, level })
}

/// The VPC is shown and has no other effect: everything here is reached through loopback.
fn vpc(input: &mut JsonInput) -> Result<Option<Value>, ApiError> {
    let Some(mut vpc) = input.structure("VpcConfig")? else { return Ok(None) };
    let (subnets, groups) = (vpc.texts("SubnetIds")?, vpc.texts("SecurityGroupIds")?);
    vpc.finish()?;
    Ok(Some(serde_json::json!({ "SubnetIds": subnets, "SecurityGroupIds": groups })))
}
