//! Reads what a caller hands over for a blueprint: template, parameters, tags and capabilities.

use std::collections::BTreeMap;

use super::super::blueprint::{Blueprint, Draft};
use super::super::invalid;
use super::super::parameters::Given;
use crate::input::QueryInput;
use crate::request::Request;
use crate::services::s3;
use crate::{ApiError, World};

/// CloudFormation's quota for a template in the request, in bytes.
const LARGEST_BODY: usize = 51_200;

/// CloudFormation's quota for a template in S3, in bytes.
const LARGEST_OBJECT: usize = 1_000_000;

/// The quota of tags on a stack.
const MOST_TAGS: usize = 50;

/// The parameters of a request that make a blueprint.
pub(in super::super) struct DraftInput {
    body: Option<String>,
    url: Option<String>,
    use_previous: bool,
    parameters: Vec<(String, Given)>,
    tags: BTreeMap<String, String>,
    capabilities: Vec<String>,
}

impl DraftInput {
    pub(in super::super) fn take(input: &mut QueryInput) -> Result<Self, ApiError> {
        let mut parameters = Vec::new();
        for mut item in input.items("Parameters") {
            let name = item.required("ParameterKey")?;
            let given = match (item.text("ParameterValue"), item.flag("UsePreviousValue")?) {
                (Some(text), None | Some(false)) => Given::Value(text),
                (None, Some(true)) => Given::Previous,
                _ => {
                    return Err(invalid(format!(
                        "Invalid input for parameter key {name}. Specify a value or UsePreviousValue"
                    )));
                }
            };
            item.finish()?;
            parameters.push((name, given));
        }
        Ok(Self {
            body: input.text("TemplateBody"),
            url: input.text("TemplateURL"),
            use_previous: input.flag("UsePreviousTemplate")?.unwrap_or_default(),
            parameters,
            tags: tags(input)?,
            capabilities: capabilities(input)?,
        })
    }

    /// Whether it says another template or other values, be they the same as before.
    pub(in super::super) fn is_new(&self) -> bool {
        self.body.is_some() || self.url.is_some() || !self.parameters.is_empty()
    }

    /// The draft; `before` is what the stack is built from now.
    pub(in super::super) fn read(
        self,
        world: &mut World,
        request: &Request,
        before: Option<&Blueprint>,
    ) -> Result<Draft, ApiError> {
        let body = match (self.body, self.url, self.use_previous, before) {
            (Some(body), None, false, _) if body.len() <= LARGEST_BODY => body,
            (Some(body), None, false, _) => {
                let what = "1 validation error detected: Value at 'templateBody' failed to satisfy constraint";
                let (found, most) = (body.len(), LARGEST_BODY);
                return Err(invalid(format!(
                    "{what}: Member must have length less than or equal to {most}; it has {found}"
                )));
            }
            (None, Some(url), false, _) => stored(world, request, &url)?,
            (None, None, true, Some(before)) => before.body.clone(),
            _ => return Err(invalid("Either Template URL or Template Body must be specified.")),
        };
        // A caller that sends no tags leaves them as they are.
        let tags = match before {
            Some(before) if self.tags.is_empty() => before.tags.clone(),
            _ => self.tags,
        };
        Ok(Draft { body, parameters: self.parameters.into_iter().collect(), tags, capabilities: self.capabilities })
    }
}

fn tags(input: &mut QueryInput) -> Result<BTreeMap<String, String>, ApiError> {
    let mut tags = BTreeMap::new();
    for mut item in input.items("Tags") {
        let (key, value) = (item.required("Key")?, item.required("Value")?);
        item.finish()?;
        if key.is_empty() || key.len() > 128 || value.len() > 256 || key.starts_with("aws:") {
            return Err(invalid(format!("the tag `{key}` is not allowed")));
        }
        if tags.insert(key.clone(), value).is_some() {
            return Err(invalid(format!("Duplicate tag key {key}")));
        }
    }
    if tags.len() > MOST_TAGS {
        return Err(invalid(format!("a stack has at most {MOST_TAGS} tags")));
    }
    Ok(tags)
}

fn capabilities(input: &mut QueryInput) -> Result<Vec<String>, ApiError> {
    let capabilities = input.texts("Capabilities");
    match capabilities.iter().find(|name| !["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"].contains(&name.as_str())) {
        Some(unknown) => Err(ApiError::unknown("capability", unknown)),
        None => Ok(capabilities),
    }
}

/// A template that lies in S3, read with the caller's permissions.
fn stored(world: &mut World, request: &Request, url: &str) -> Result<String, ApiError> {
    let (bucket, key) = location(url)
        .ok_or_else(|| invalid("S3 error: Domain name specified in TemplateURL is not a valid S3 domain"))?;
    let body = s3::read(world, &request.caller, bucket, key).map_err(|error| {
        let ApiError { message, .. } = error;
        invalid(format!("S3 error: {message}"))
    })?;
    if body.len() > LARGEST_OBJECT {
        return Err(invalid(format!("Template may not exceed {LARGEST_OBJECT} bytes in size.")));
    }
    String::from_utf8(body).map_err(|_| invalid("Template format error: the template is not UTF-8"))
}

/// Bucket and key: the bucket stands in the host's name, or, as on loopback, in the path.
fn location(url: &str) -> Option<(&str, &str)> {
    let (host, path) = url.split_once("://")?.1.split_once('/')?;
    match host.split_once(".s3.") {
        Some((bucket, _)) => Some((bucket, path)),
        None => path.split_once('/'),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_template_is_found_by_either_form_of_its_url() {
        for (url, location) in [
            ("https://bucket.s3.eu-central-1.amazonaws.com/templates/a.yaml", Some(("bucket", "templates/a.yaml"))),
            ("https://s3.eu-central-1.amazonaws.com/bucket/a.yaml", Some(("bucket", "a.yaml"))),
            ("http://127.0.0.1:4566/bucket/a.yaml", Some(("bucket", "a.yaml"))),
            ("bucket/a.yaml", None),
            ("https://nowhere", None),
        ] {
            assert_eq!(super::location(url), location, "{url}");
        }
    }
}
