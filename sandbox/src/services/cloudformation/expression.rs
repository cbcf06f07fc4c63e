//! Values of a template with their intrinsics recognized: what can be resolved, or searched for references.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::invalid;
use crate::ApiError;

/// A value in which intrinsics may stand.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    /// A text, number, flag or null.
    Literal(Value),
    List(Vec<Expression>),
    Structure(BTreeMap<String, Expression>),
    Ref(String),
    GetAtt {
        resource: String,
        attribute: String,
    },
    /// Also what becomes of `Fn::Sub`: its pieces joined by nothing.
    Join {
        separator: String,
        items: Box<Expression>,
    },
    Select {
        index: usize,
        items: Box<Expression>,
    },
    Split {
        separator: String,
        text: Box<Expression>,
    },
    If {
        condition: String,
        then: Box<Expression>,
        otherwise: Box<Expression>,
    },
}

/// What a value refers to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reference {
    /// `Ref`: a parameter, a pseudo parameter or a resource.
    Name(String),
    /// `Fn::GetAtt`.
    Attribute { resource: String, attribute: String },
}

impl Reference {
    /// The resource, or the parameter, that is referred to.
    pub(super) fn target(&self) -> &str {
        match self {
            Self::Name(name) | Self::Attribute { resource: name, .. } => name,
        }
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Attribute { resource, attribute } => write!(f, "{resource}.{attribute}"),
        }
    }
}

impl Expression {
    pub(super) fn parse(value: &Value) -> Result<Self, ApiError> {
        match value {
            Value::Array(items) => items.iter().map(Self::parse).collect::<Result<_, _>>().map(Self::List),
            Value::Object(fields) => match single(fields) {
                Some((name, argument)) if name == "Ref" => text("Ref", argument).map(Self::Ref),
                Some((name, argument)) if name.starts_with("Fn::") => Self::intrinsic(name, argument),
                _ => Self::structure(fields),
            },
            literal => Ok(Self::Literal(literal.clone())),
        }
    }

    fn structure(fields: &Map<String, Value>) -> Result<Self, ApiError> {
        let field = |(name, value): (&String, &Value)| match name.as_str() {
            "Ref" => Err(invalid("Template format error: `Ref` must stand alone")),
            name if name.starts_with("Fn::") => {
                Err(invalid(format!("Template format error: `{name}` must stand alone")))
            }
            name => Ok((name.to_owned(), Self::parse(value)?)),
        };
        fields.iter().map(field).collect::<Result<_, _>>().map(Self::Structure)
    }

    fn intrinsic(name: &str, argument: &Value) -> Result<Self, ApiError> {
        let arguments = argument.as_array().map_or(&[][..], Vec::as_slice);
        match (name, arguments) {
            ("Fn::GetAtt", [resource, attribute]) => {
                Ok(Self::GetAtt { resource: text(name, resource)?, attribute: text(name, attribute)? })
            }
            ("Fn::Sub", [template, variables]) => substitution(&text(name, template)?, variables),
            ("Fn::Sub", []) => substitution(&text(name, argument)?, &Value::Object(Map::new())),
            ("Fn::Join", [separator, items]) => {
                Ok(Self::Join { separator: text(name, separator)?, items: Self::parse(items)?.into() })
            }
            ("Fn::Select", [index, items]) => {
                Ok(Self::Select { index: position(index)?, items: Self::parse(items)?.into() })
            }
            ("Fn::Split", [separator, whole]) => {
                Ok(Self::Split { separator: text(name, separator)?, text: Self::parse(whole)?.into() })
            }
            ("Fn::If", [condition, then, otherwise]) => Ok(Self::If {
                condition: text(name, condition)?,
                then: Self::parse(then)?.into(),
                otherwise: Self::parse(otherwise)?.into(),
            }),
            ("Fn::GetAtt" | "Fn::Sub" | "Fn::Join" | "Fn::Select" | "Fn::Split" | "Fn::If", _) => {
                Err(invalid(format!("Template error: every {name} object requires its own list of arguments")))
            }
            _ => Err(ApiError::unknown("intrinsic", name)),
        }
    }

    /// What the value refers to; of an `Fn::If` only the branch that is taken counts.
    pub(super) fn references(&self, conditions: &BTreeMap<String, bool>) -> BTreeSet<Reference> {
        let mut found = BTreeSet::new();
        self.collect(conditions, &mut found);
        found
    }

    fn collect(&self, conditions: &BTreeMap<String, bool>, found: &mut BTreeSet<Reference>) {
        match self {
            Self::Literal(_) => {}
            Self::List(items) => items.iter().for_each(|item| item.collect(conditions, found)),
            Self::Structure(fields) => fields.values().for_each(|field| field.collect(conditions, found)),
            Self::Ref(name) => drop(found.insert(Reference::Name(name.clone()))),
            Self::GetAtt { resource, attribute } => {
                found.insert(Reference::Attribute { resource: resource.clone(), attribute: attribute.clone() });
            }
            Self::Join { items, .. } | Self::Select { items, .. } => items.collect(conditions, found),
            Self::Split { text, .. } => text.collect(conditions, found),
            Self::If { condition, then, otherwise } => match conditions.get(condition) {
                Some(true) => then.collect(conditions, found),
                _ => otherwise.collect(conditions, found),
            },
        }
    }

    /// The conditions that `Fn::If` asks for, in every branch.
    pub(super) fn conditions(&self) -> Vec<&str> {
        match self {
            Self::Literal(_) | Self::Ref(_) | Self::GetAtt { .. } => Vec::new(),
            Self::List(items) => items.iter().flat_map(Self::conditions).collect(),
            Self::Structure(fields) => fields.values().flat_map(Self::conditions).collect(),
            Self::Join { items, .. } | Self::Select { items, .. } => items.conditions(),
            Self::Split { text, .. } => text.conditions(),
            Self::If { condition, then, otherwise } => {
                let mut names = vec![condition.as_str()];
                names.extend(then.conditions());
                names.extend(otherwise.conditions());
                names
            }
        }
    }
}

/// The one field of a structure that has only one.
pub(super) fn single(fields: &Map<String, Value>) -> Option<(&String, &Value)> {
    fields.iter().next().filter(|_| fields.len() == 1)
}

/// `Fn::Sub`: `${Name}`, `${Resource.Attribute}`, `${variable}`, and `${!text}` for a literal `${text}`.
fn substitution(template: &str, variables: &Value) -> Result<Expression, ApiError> {
    let Value::Object(variables) = variables else {
        return Err(invalid("Template error: the variables of Fn::Sub must be a structure"));
    };
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, behind) = after
            .split_once('}')
            .ok_or_else(|| invalid("Template error: a placeholder of Fn::Sub has no closing brace"))?;
        pieces.push(literal(before));
        pieces.push(match (name.strip_prefix('!'), variables.get(name), name.split_once('.')) {
            (Some(text), ..) => literal(&format!("${{{text}}}")),
            (None, Some(value), _) => Expression::parse(value)?,
            (None, None, Some((resource, attribute))) => {
                Expression::GetAtt { resource: resource.to_owned(), attribute: attribute.to_owned() }
            }
            (None, None, None) => Expression::Ref(name.to_owned()),
        });
        rest = behind;
    }
    pieces.push(literal(rest));
    pieces.retain(|piece| *piece != literal(""));
    Ok(Expression::Join { separator: String::new(), items: Expression::List(pieces).into() })
}

fn literal(text: &str) -> Expression {
    Expression::Literal(text.into())
}

fn position(index: &Value) -> Result<usize, ApiError> {
    let whole = index.as_u64().or_else(|| index.as_str().and_then(|text| text.parse().ok()));
    whole
        .and_then(|index| usize::try_from(index).ok())
        .ok_or_else(|| invalid("Template error: the index of Fn::Select must be a whole number"))
}

pub(super) fn text(intrinsic: &str, value: &Value) -> Result<String, ApiError> {
    let text = value.as_str().filter(|text| !text.is_empty() || intrinsic == "Fn::Join");
    text.map(str::to_owned).ok_or_else(|| {
        invalid(format!("Template error: every {intrinsic} object must have a text where it has {value}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_found_in_the_branches_that_are_taken() {
        let attribute = |resource: &str, attribute: &str| Reference::Attribute {
            resource: resource.into(),
            attribute: attribute.into(),
        };
        let name = |name: &str| Reference::Name(name.into());
        for (value, expected) in [
            (json!("text"), vec![]),
            (json!({"Ref": "A"}), vec![name("A")]),
            (json!({"Fn::GetAtt": ["A", "Arn"]}), vec![attribute("A", "Arn")]),
            (json!({"Fn::Sub": "${A}-${B.Arn}-${!C}"}), vec![name("A"), attribute("B", "Arn")]),
            (json!({"Fn::Sub": ["${x}${A}", {"x": {"Ref": "B"}}]}), vec![name("A"), name("B")]),
            (json!({"Fn::If": ["yes", {"Ref": "A"}, {"Ref": "B"}]}), vec![name("A")]),
            (json!({"Fn::If": ["no", {"Ref": "A"}, {"Ref": "B"}]}), vec![name("B")]),
            (json!([{"x": {"Fn::Join": ["", [{"Ref": "A"}]]}}]), vec![name("A")]),
            (json!({"Fn::Select": [0, {"Fn::Split": [",", {"Ref": "A"}]}]}), vec![name("A")]),
        ] {
            let conditions = BTreeMap::from([("yes".to_owned(), true), ("no".to_owned(), false)]);
            let found = Expression::parse(&value).unwrap().references(&conditions);
            assert_eq!(found.into_iter().collect::<Vec<_>>(), expected, "{value}");
        }
    }

    #[test]
    fn what_is_not_an_intrinsic_of_the_sandbox_is_named() {
        for (value, message) in [
            (json!({"Fn::FindInMap": ["a", "b", "c"]}), "the sandbox does not know the intrinsic `Fn::FindInMap`"),
            (json!({"a": [{"Fn::Cidr": []}]}), "the sandbox does not know the intrinsic `Fn::Cidr`"),
            (json!({"Ref": "A", "Other": 1}), "Template format error: `Ref` must stand alone"),
            (json!({"Fn::Sub": "${A"}), "Template error: a placeholder of Fn::Sub has no closing brace"),
        ] {
            assert_eq!(Expression::parse(&value).unwrap_err().message, message);
        }
    }
}
