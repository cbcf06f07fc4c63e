//! Resolves the intrinsics of a template's values.

use std::collections::BTreeMap;

use serde_json::Value;

use super::expression::Expression;
use super::invalid;
use super::resource::Created;
use crate::ApiError;

/// Stands, in a change set, for what is known only when the change set has been executed.
pub(super) const KNOWN_LATER: &str = "{{changeSet:KNOWN_AFTER_APPLY}}";

/// Leaves out the property or list item that it is the value of.
const NO_VALUE: &str = "AWS::NoValue";

/// What names mean while values are resolved.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    /// Parameters and pseudo parameters.
    pub(super) values: &'a BTreeMap<String, Value>,
    pub(super) conditions: &'a BTreeMap<String, bool>,
    pub(super) resources: &'a BTreeMap<&'a str, Referent<'a>>,
}

/// A resource that may be referred to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Referent<'a> {
    Exists(&'a Created),
    /// It comes into being when the change set is executed.
    Later,
}

impl Scope<'_> {
    /// The value without intrinsics; `None` is `AWS::NoValue`.
    pub(super) fn resolve(&self, expression: &Expression) -> Result<Option<Value>, ApiError> {
        match expression {
            Expression::Literal(value) => Ok(Some(value.clone())),
            Expression::List(items) => self.list(items).map(Some),
            Expression::Structure(fields) => {
                let field =
                    |(name, field): (&String, &Expression)| Ok(self.resolve(field)?.map(|value| (name.clone(), value)));
                let fields = fields.iter().map(field).filter_map(Result::transpose);
                fields.collect::<Result<_, ApiError>>().map(|fields| Some(Value::Object(fields)))
            }
            Expression::Ref(name) if name == NO_VALUE => Ok(None),
            Expression::Ref(name) => self.reference(name).map(Some),
            Expression::GetAtt { resource, attribute } => self.attribute(resource, attribute).map(Some),
            Expression::Join { separator, items } => self.join(separator, items).map(Some),
            Expression::Select { index, items } => self.select(*index, items).map(Some),
            Expression::Split { separator, text } => {
                let text = self.text(text)?;
                if text.contains(KNOWN_LATER) {
                    return Ok(Some(KNOWN_LATER.into()));
                }
                Ok(Some(text.split(separator.as_str()).map(Value::from).collect()))
            }
            Expression::If { condition, then, otherwise } => match self.conditions.get(condition) {
                Some(true) => self.resolve(then),
                Some(false) => self.resolve(otherwise),
                None => Err(invalid(format!("Template error: unresolved condition dependency {condition}"))),
            },
        }
    }

    /// The text that a value resolves to; numbers and flags are written out.
    pub(super) fn text(&self, expression: &Expression) -> Result<String, ApiError> {
        match self.resolve(expression)? {
            Some(value) => written(&value),
            None => Err(invalid("Template error: AWS::NoValue stands where a text is needed")),
        }
    }

    fn list(&self, items: &[Expression]) -> Result<Value, ApiError> {
        items.iter().map(|item| self.resolve(item)).filter_map(Result::transpose).collect()
    }

    fn reference(&self, name: &str) -> Result<Value, ApiError> {
        match (self.values.get(name), self.resources.get(name)) {
            (Some(value), _) => Ok(value.clone()),
            (None, Some(Referent::Exists(created))) => Ok(created.physical_id.as_str().into()),
            (None, Some(Referent::Later)) => Ok(KNOWN_LATER.into()),
            (None, None) => Err(unresolved(name)),
        }
    }

    fn attribute(&self, resource: &str, attribute: &str) -> Result<Value, ApiError> {
        match self.resources.get(resource) {
            Some(Referent::Later) => Ok(KNOWN_LATER.into()),
            Some(Referent::Exists(created)) => {
                let value = created.attributes.get(attribute).map(|value| value.as_str().into());
                value.ok_or_else(|| {
                    let what = format!("resource {resource} does not support attribute type {attribute}");
                    invalid(format!("Template error: {what} in Fn::GetAtt"))
                })
            }
            None => Err(unresolved(resource)),
        }
    }

    fn join(&self, separator: &str, items: &Expression) -> Result<Value, ApiError> {
        match self.resolve(items)? {
            Some(Value::Array(items)) => {
                let texts = items.iter().map(written).collect::<Result<Vec<_>, _>>()?;
                Ok(texts.join(separator).into())
            }
            Some(Value::String(text)) if text == KNOWN_LATER => Ok(text.into()),
            _ => Err(invalid("Template error: every Fn::Join object requires a list of texts")),
        }
    }

    fn select(&self, index: usize, items: &Expression) -> Result<Value, ApiError> {
        match self.resolve(items)? {
            Some(Value::Array(items)) => items.get(index).cloned().ok_or_else(|| {
                invalid(format!("Template error: Fn::Select cannot select nonexistent value at index {index}"))
            }),
            Some(Value::String(text)) if text == KNOWN_LATER => Ok(text.into()),
            _ => Err(invalid("Template error: every Fn::Select object requires a list to select from")),
        }
    }
}

pub(super) fn unresolved(name: &str) -> ApiError {
    invalid(format!(
        "Template format error: Unresolved resource dependencies [{name}] in the Resources block of the template"
    ))
}

fn written(value: &Value) -> Result<String, ApiError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(invalid(format!("Template error: {value} stands where a text is needed")))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resolve(value: &Value) -> Result<Option<Value>, ApiError> {
        let values = BTreeMap::from([
            ("Name".to_owned(), json!("alice")),
            ("Days".to_owned(), json!(30)),
            ("Names".to_owned(), json!(["a", "b"])),
            ("AWS::Partition".to_owned(), json!("aws")),
        ]);
        let conditions = BTreeMap::from([("Yes".to_owned(), true), ("No".to_owned(), false)]);
        let role = Created {
            physical_id: "role-1".into(),
            attributes: BTreeMap::from([("Arn".to_owned(), "arn:aws:iam::1:role/role-1".to_owned())]),
        };
        let resources = BTreeMap::from([("Role", Referent::Exists(&role)), ("New", Referent::Later)]);
        let scope = Scope { values: &values, conditions: &conditions, resources: &resources };
        scope.resolve(&Expression::parse(value)?)
    }

    #[test]
    fn every_intrinsic_gives_its_value() {
        for (value, expected) in [
            (json!({"Ref": "Name"}), json!("alice")),
            (json!({"Ref": "Days"}), json!(30)),
            (json!({"Ref": "Role"}), json!("role-1")),
            (json!({"Ref": "New"}), json!(KNOWN_LATER)),
            (json!({"Fn::GetAtt": ["Role", "Arn"]}), json!("arn:aws:iam::1:role/role-1")),
            (
                json!({"Fn::Sub": "arn:${AWS::Partition}:${Role.Arn}/${Days}/${!x}"}),
                json!("arn:aws:arn:aws:iam::1:role/role-1/30/${x}"),
            ),
            (json!({"Fn::Sub": ["${a}${b}", {"a": "1", "b": {"Ref": "Name"}}]}), json!("1alice")),
            (json!({"Fn::Sub": "x${New}"}), json!(format!("x{KNOWN_LATER}"))),
            (json!({"Fn::Join": ["-", {"Ref": "Names"}]}), json!("a-b")),
            (json!({"Fn::Select": ["1", {"Fn::Split": [".", "x.y.z"]}]}), json!("y")),
            (json!({"Fn::Select": [1, {"Fn::Split": [".", {"Ref": "New"}]}]}), json!(KNOWN_LATER)),
            (json!({"Fn::If": ["Yes", 1, 2]}), json!(1)),
            (json!({"Fn::If": ["No", 1, {"Ref": "Name"}]}), json!("alice")),
            (json!({"a": {"Ref": "AWS::NoValue"}, "b": [1, {"Ref": "AWS::NoValue"}]}), json!({"b": [1]})),
        ] {
            assert_eq!(resolve(&value).unwrap(), Some(expected), "{value}");
        }
        assert_eq!(resolve(&json!({"Ref": "AWS::NoValue"})).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_resolved_is_named() {
        for (value, message) in [
            (json!({"Ref": "Nobody"}), "Unresolved resource dependencies [Nobody]"),
            (
                json!({"Fn::GetAtt": ["Role", "Size"]}),
                "resource Role does not support attribute type Size in Fn::GetAtt",
            ),
            (json!({"Fn::If": ["Maybe", 1, 2]}), "unresolved condition dependency Maybe"),
            (json!({"Fn::Select": [2, {"Ref": "Names"}]}), "nonexistent value at index 2"),
            (json!({"Fn::Join": ["", [{"a": 1}]]}), "stands where a text is needed"),
        ] {
            let error = resolve(&value).unwrap_err();
            assert!(error.message.contains(message), "{error}");
        }
    }
}
