//! A resource of a template, written from typed properties.

use serde::Serialize;

/// A value that CloudFormation works out.
#[derive(Debug, Clone, Serialize)]
pub(super) enum Intrinsic {
    /// The main identifier of a resource, or a pseudo parameter.
    Ref(String),
    /// An attribute of a resource, `Function.Arn`.
    GetAtt(&'static str),
    /// Text with `${…}` in it.
    Sub(String),
}

/// A resource with the properties `P`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Resource<P> {
    #[serde(rename = "Type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_policy: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_replace_policy: Option<&'static str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    depends_on: Vec<String>,
    properties: P,
}

impl<P> Resource<P> {
    pub(super) fn new(kind: &'static str, properties: P) -> Self {
        Self { kind, deletion_policy: None, update_replace_policy: None, depends_on: Vec::new(), properties }
    }

    /// The same resource, which stays when it leaves the stack.
    pub(super) fn retained(self) -> Self {
        Self { deletion_policy: Some("Retain"), update_replace_policy: Some("Retain"), ..self }
    }

    /// The same resource, created after these.
    pub(super) fn after(self, depends_on: Vec<String>) -> Self {
        Self { depends_on, ..self }
    }
}
