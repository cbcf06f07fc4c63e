//! ListSecrets.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::error::invalid_parameter;
use super::super::lookup::arn_prefix;
use super::super::secret::Secret;
use super::{Page, describe, object};
use crate::input::JsonInput;
use crate::request::Caller;
use crate::{ApiError, World};

/// "Array Members: Maximum number of 10 items" in the API reference, of filters and of the values of each.
const MOST_FILTERS: usize = 10;

/// One condition on the secrets to be listed: any of the values, as the beginning of what `key` means.
struct Filter {
    key: FilterKey,
    values: Vec<String>,
}

enum FilterKey {
    Name,
    TagKey,
    TagValue,
}

pub(in super::super) fn list_secrets(
    world: &mut World,
    caller: &Caller,
    region: &str,
    mut input: JsonInput,
) -> Result<Value, ApiError> {
    let page = Page::take(&mut input)?;
    let with_deleted = input.flag("IncludePlannedDeletion")?.unwrap_or(false);
    let filters = input.items("Filters")?.into_iter().map(Filter::take).collect::<Result<Vec<_>, _>>()?;
    input.finish()?;
    if filters.len() > MOST_FILTERS {
        return Err(invalid_parameter(format!("A list has {MOST_FILTERS} filters at most.")));
    }
    world.authorize(caller, "secretsmanager:ListSecrets", "*", &BTreeMap::new())?;
    let prefix = arn_prefix(&caller.account, region);
    let secrets = world.secrets_manager.secrets.range(prefix.clone()..);
    let matching = secrets
        .take_while(|(arn, _)| arn.starts_with(&prefix))
        .map(|(_, secret)| secret)
        .filter(|secret| with_deleted || secret.deletion.is_none())
        .filter(|secret| filters.iter().all(|filter| filter.matches(secret)));
    let (secrets, next) = page.of(matching);
    let entries = secrets.into_iter().map(|secret| describe::metadata(secret, "SecretVersionsToStages")).collect();
    Ok(object([("SecretList", Some(entries)), ("NextToken", next)]))
}

impl Filter {
    fn take(mut item: JsonInput) -> Result<Self, ApiError> {
        let key = match item.required("Key")?.as_str() {
            "name" => FilterKey::Name,
            "tag-key" => FilterKey::TagKey,
            "tag-value" => FilterKey::TagValue,
            other => return Err(ApiError::unknown("filter", other)),
        };
        let values = item.texts("Values")?;
        item.finish()?;
        if !(1..=MOST_FILTERS).contains(&values.len()) {
            return Err(invalid_parameter(format!("A filter has 1 to {MOST_FILTERS} values.")));
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || " :_@/+=.-!".contains(c);
        if let Some(value) = values.iter().find(|value| value.len() > 512 || !value.chars().all(legal)) {
            return Err(invalid_parameter(format!(
                "The filter value `{value}` is too long or has illegal characters."
            )));
        }
        match values.iter().find(|value| value.starts_with('!')) {
            Some(value) => Err(ApiError::unknown("negated filter value", value)),
            None => Ok(Self { key, values }),
        }
    }

    fn matches(&self, secret: &Secret) -> bool {
        self.values.iter().any(|value| match self.key {
            FilterKey::Name => secret.name.starts_with(value),
            FilterKey::TagKey => secret.tags.keys().any(|key| key.starts_with(value)),
            FilterKey::TagValue => secret.tags.values().any(|tag| tag.starts_with(value)),
        })
    }
}
