//! From the bytes of a request back to the members of its input, as the model names them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Operation;
use super::shape::{Location, Member, Shape, Shapes};
use crate::answer::Protocol;
use crate::request::{HttpRequest, percent_decoded};

/// The input of a request, or what in it the model does not know.
pub(super) fn read(
    shapes: &Shapes,
    operation: &Operation,
    protocol: Protocol,
    http: &HttpRequest,
) -> Result<Value, String> {
    if http.method != operation.method {
        return Err(format!("the method must be {}", operation.method));
    }
    match protocol {
        Protocol::Query => form(shapes, operation.input.as_deref(), http),
        Protocol::Json => body(http),
        Protocol::RestJson | Protocol::RestXml => rest(shapes, operation, protocol, http),
    }
}

fn body(http: &HttpRequest) -> Result<Value, String> {
    if http.body.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(&http.body).map_err(|_| "the body is not JSON".to_owned())
}

fn form(shapes: &Shapes, input: Option<&str>, http: &HttpRequest) -> Result<Value, String> {
    let mut fields = Fields(form_urlencoded::parse(&http.body).into_owned().collect());
    for common in ["Action", "Version"] {
        fields.0.remove(common).ok_or_else(|| format!("'{common}' must not be null"))?;
    }
    let value = input.and_then(|shape| fields.take(shapes, shape, "")).unwrap_or_else(|| json!({}));
    match fields.0.into_keys().next() {
        Some(unknown) => Err(format!("there is no parameter '{unknown}'")),
        None => Ok(value),
    }
}

/// The fields of a form that nobody has taken yet, by their dotted names.
#[derive(Debug)]
struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Whether there is a field of that name, or inside it.
    fn has(&self, prefix: &str) -> bool {
        prefix.is_empty()
            || self.0.contains_key(prefix)
            || self
                .0
                .range(format!("{prefix}.")..)
                .next()
                .is_some_and(|(name, _)| name.starts_with(&format!("{prefix}.")))
    }

    /// Takes what stands at `prefix`, if anything does.
    fn take(&mut self, shapes: &Shapes, shape: &str, prefix: &str) -> Option<Value> {
        // Also what ends a shape that contains itself.
        if !self.has(prefix) {
            return None;
        }
        let inside = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        match shapes.get(shape) {
            Shape::Structure { members, .. } => {
                let members = members.iter();
                let taken = members.filter_map(|(own, member)| {
                    Some((own.clone(), self.take(shapes, member.shape(), &inside(member.name(own)))?))
                });
                Some(Value::Object(taken.collect()))
            }
            Shape::List { member, flattened, .. } => {
                // An empty list is its bare name.
                self.0.remove(prefix);
                let items = if *flattened { prefix.to_owned() } else { inside(member.name("member")) };
                Some((1..).map_while(|nth| self.take(shapes, member.shape(), &format!("{items}.{nth}"))).collect())
            }
            Shape::Map { key, value, .. } => {
                let mut entry = |nth: usize| {
                    let at = inside(&format!("entry.{nth}"));
                    let name = self.0.remove(&format!("{at}.{}", key.name("key")))?;
                    let inner = self.take(shapes, value.shape(), &format!("{at}.{}", value.name("value")));
                    Some((name, inner.unwrap_or_default()))
                };
                Some(Value::Object((1..).map_while(&mut entry).collect()))
            }
            scalar => self.0.remove(prefix).map(|text| typed(scalar, text)),
        }
    }
}

/// The value that a text stands for. What is not of its type stays a text, and the check says so.
fn typed(shape: &Shape, text: String) -> Value {
    let value = match shape {
        Shape::Integer(_) => text.parse::<i64>().ok().map(Value::from),
        Shape::Double => text.parse::<f64>().ok().map(Value::from),
        Shape::Boolean => text.parse::<bool>().ok().map(Value::from),
        _ => None,
    };
    value.unwrap_or(Value::String(text))
}

fn rest(shapes: &Shapes, operation: &Operation, protocol: Protocol, http: &HttpRequest) -> Result<Value, String> {
    let (path, fixed) = operation.uri.split_once('?').unwrap_or((&operation.uri, ""));
    let labels = labels(path, &http.path).ok_or_else(|| format!("the path must be like {path}"))?;
    let Some(input) = &operation.input else { return Ok(json!({})) };
    let Shape::Structure { members, payload, .. } = shapes.get(input) else {
        return Err(format!("the model says no structure for {input}"));
    };
    let query: BTreeMap<String, String> = form_urlencoded::parse(http.query.as_bytes()).into_owned().collect();
    // The SDKs say here which operation they mean.
    let is_known = |name: &str| {
        name == "x-id"
            || name == fixed
            || members
                .iter()
                .any(|(own, member)| member.location() == Some(Location::Querystring) && member.name(own) == name)
    };
    if let Some(unknown) = query.keys().find(|name| !is_known(name)) {
        return Err(format!("there is no parameter '{unknown}'"));
    }
    let mut fields = Map::new();
    for (own, member) in members {
        let name = member.name(own);
        let text = match member.location() {
            Some(Location::Uri) => labels.get(name),
            Some(Location::Querystring) => query.get(name),
            Some(Location::Header) => http.headers.get(&name.to_ascii_lowercase()),
            // Nobody sends headers of their own choice.
            Some(Location::Headers) | None => None,
        };
        fields.extend(text.map(|text| (own.clone(), typed(shapes.get(member.shape()), text.clone()))));
    }
    let is_in_body = |member: &Member| member.location().is_none();
    if protocol == Protocol::RestJson && payload.is_none() && members.values().any(is_in_body) {
        match body(http)? {
            Value::Object(inner) => fields.extend(inner),
            _ => return Err("the body must be a structure".to_owned()),
        }
    }
    Ok(Value::Object(fields))
}

/// The parts of a path that its template names.
fn labels(template: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let (mut parts, mut rest) = (template.trim_matches('/').split('/'), path.trim_start_matches('/'));
    while let Some(part) = parts.next() {
        let label = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        if let Some(greedy) = label.and_then(|label| label.strip_suffix('+')) {
            found.insert(greedy.to_owned(), percent_decoded(rest));
            return (parts.next().is_none() && !rest.is_empty()).then_some(found);
        }
        let (here, behind) = rest.split_once('/').unwrap_or((rest, ""));
        match label {
            Some(label) if !here.is_empty() => drop(found.insert(label.to_owned(), percent_decoded(here))),
            None if here == part => {}
            _ => return None,
        }
        rest = behind;
    }
    rest.is_empty().then_some(found)
}
