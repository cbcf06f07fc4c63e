//! The `function` part of the configuration.

use std::time::Duration;

use super::error::Problem;
use super::fields::{Fault, Field, Fields};
use super::{Architecture, FunctionConfig, Vpc};
use crate::names::SecretName;

/// The fields of `function`.
pub(super) const FIELDS: [&str; 6] = ["memory", "timeout", "architecture", "log_retention", "secrets", "vpc"];

/// What Lambda offers (Lambda quotas).
const MEMORY_MIB: std::ops::RangeInclusive<u64> = 128..=10_240;

/// What the function itself accepts, and what Lambda does: it ends a function after 15 minutes.
const TIMEOUT: std::ops::RangeInclusive<u64> = contract::SHORTEST_TIMEOUT.as_secs()..=900;

/// How long the names of `secrets` may be, all together: a function's environment has 4 KB (Lambda quotas), and a
/// part of it is for the settings.
const LONGEST_SECRETS: usize = 3_000;

/// The retention times that CloudWatch Logs offers, in days (API reference, PutRetentionPolicy).
const LOG_RETENTION_DAYS: [u16; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

impl Default for FunctionConfig {
    fn default() -> Self {
        Self {
            memory_mib: 128,
            timeout: Duration::from_secs(120),
            architecture: Architecture::X86_64,
            log_retention_days: 90,
            secrets: Vec::new(),
            vpc: None,
        }
    }
}

/// Reads `function`.
pub(super) fn read(mut fields: Fields) -> Result<FunctionConfig, Fault> {
    let default = FunctionConfig::default();
    let architectures = [("x86_64", Architecture::X86_64), ("arm64", Architecture::Arm64)];
    Ok(FunctionConfig {
        memory_mib: fields.optional("memory").map_or(Ok(default.memory_mib), memory)?,
        timeout: fields.optional("timeout").map_or(Ok(default.timeout), timeout)?,
        architecture: fields.choice("architecture", &architectures, default.architecture)?,
        log_retention_days: fields.optional("log_retention").map_or(Ok(default.log_retention_days), log_retention)?,
        secrets: fields.optional("secrets").map_or(Ok(Vec::new()), secrets)?,
        vpc: fields.optional("vpc").map(vpc).transpose()?,
    })
}

fn secrets(field: Field) -> Result<Vec<String>, Fault> {
    let place = field.place.clone();
    let names = field.list()?.into_iter().map(Field::parse::<SecretName>).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let characters = names.join(";").len();
    let problem =
        format!("is {characters} characters long, and the function's environment has room for {LONGEST_SECRETS}");
    if characters > LONGEST_SECRETS { Err(place.fault(Problem::Limit(problem))) } else { Ok(names) }
}

fn memory(field: Field) -> Result<u16, Fault> {
    let place = field.place.clone();
    let mib = field.number()?;
    let fits = u16::try_from(mib).ok().filter(|_| MEMORY_MIB.contains(&mib));
    fits.ok_or_else(|| place.fault(Problem::not(&mib.to_string(), "128 to 10240 MiB")))
}

fn timeout(field: Field) -> Result<Duration, Fault> {
    let place = field.place.clone();
    let timeout = field.duration()?;
    let fits = TIMEOUT.contains(&timeout.as_secs());
    let problem = || Problem::not(&super::duration::show(timeout), "60s to 15m");
    if fits { Ok(timeout) } else { Err(place.fault(problem())) }
}

pub(crate) fn log_retention(field: Field) -> Result<u16, Fault> {
    let place = field.place.clone();
    let asked = field.duration()?;
    let found = LOG_RETENTION_DAYS.into_iter().find(|days| asked.as_secs() == u64::from(*days) * 86_400);
    found.ok_or_else(|| {
        let offered: Vec<String> = LOG_RETENTION_DAYS.iter().map(u16::to_string).collect();
        let expected = format!("a number of days that CloudWatch Logs offers: {}", offered.join(", "));
        place.fault(Problem::not(&super::duration::show(asked), &expected))
    })
}

fn vpc(field: Field) -> Result<Vpc, Fault> {
    let mut fields = field.fields(&["subnets", "security_groups"])?;
    Ok(Vpc {
        subnets: ids(fields.required("subnets")?, "the id of a subnet (`subnet-…`)", "subnet-")?,
        security_groups: ids(fields.required("security_groups")?, "the id of a security group (`sg-…`)", "sg-")?,
    })
}

fn ids(field: Field, expected: &'static str, prefix: &str) -> Result<Vec<String>, Fault> {
    let place = field.place.clone();
    let valid = |id: &str| {
        id.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    let ids = field.list()?.into_iter().map(|id| id.matching(expected, valid)).collect::<Result<Vec<_>, _>>()?;
    let empty = || Problem::Limit("is empty, and a function in a network needs one at least".to_owned());
    if ids.is_empty() { Err(place.fault(empty())) } else { Ok(ids) }
}
