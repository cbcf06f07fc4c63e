//! Answers: what a service hands back, and its form on the wire in each of AWS's protocols.

use serde_json::Value;

use crate::ApiError;

/// The protocols of AWS's models that the sandbox's services speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// awsQuery: a form in, XML out.
    Query,
    /// awsJson1.1: JSON in and out, the operation in a header.
    Json,
    /// restJson: method and path, JSON in and out.
    RestJson,
    /// restXml: method and path, XML out.
    RestXml,
}

/// What a service hands back for an operation that was done.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// awsQuery: the content of the result element. restXml: the whole document.
    Xml(Xml),
    Json(Value),
    /// Any bytes, with headers; for restXml and restJson.
    Raw {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// The answer comes when this function invocation ends.
    Later(crate::services::lambda::InvocationId),
}

/// A finished HTTP answer.
#[derive(Debug, Clone)]
pub(crate) struct HttpReply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// XML under construction, element by element.
#[derive(Debug, Clone, Default)]
pub(crate) struct Xml(String);

impl Xml {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds `<name>text</name>`.
    pub(crate) fn text(mut self, name: &str, text: impl ToString) -> Self {
        self.0.push_str(&format!("<{name}>{}</{name}>", escaped(&text.to_string())));
        self
    }

    /// Adds `<name>text</name>` when there is a text.
    pub(crate) fn optional(self, name: &str, text: Option<impl ToString>) -> Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    /// Adds `<name>…</name>` around other elements.
    pub(crate) fn element(mut self, name: &str, inner: Xml) -> Self {
        self.0.push_str(&format!("<{name}>{}</{name}>", inner.0));
        self
    }

    /// Adds `<name><member>…</member>…</name>`, the way awsQuery writes lists.
    pub(crate) fn members(self, name: &str, items: impl IntoIterator<Item = Xml>) -> Self {
        let list = items.into_iter().fold(Xml::new(), |list, item| list.element("member", item));
        self.element(name, list)
    }

    /// Text alone, for a list of plain values.
    pub(crate) fn plain(text: impl ToString) -> Self {
        Self(escaped(&text.to_string()))
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;

impl Protocol {
    /// The HTTP answer for an operation that was done; `None` when the answer comes later.
    pub(crate) fn reply(self, operation: &str, request_id: &str, answer: Answer) -> Option<HttpReply> {
        let (kind, body) = match answer {
            Answer::Later(_) => return None,
            Answer::Raw { status, headers, body } => return Some(HttpReply { status, headers, body }),
            Answer::Json(value) => (self.content_type(), value.to_string()),
            Answer::Xml(Xml(inner)) if self == Self::Query => {
                let metadata = format!("<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>");
                let result = format!("<{operation}Result>{inner}</{operation}Result>{metadata}");
                (self.content_type(), format!("<{operation}Response>{result}</{operation}Response>"))
            }
            Answer::Xml(Xml(document)) => (self.content_type(), format!("{DECLARATION}{document}")),
        };
        Some(HttpReply { status: 200, headers: vec![("content-type", kind.to_owned())], body: body.into_bytes() })
    }

    /// The HTTP answer for an error.
    pub(crate) fn refusal(self, request_id: &str, error: &ApiError) -> HttpReply {
        let mut headers = vec![("content-type", self.content_type().to_owned())];
        let (code, message) = (&error.code, &error.message);
        let body = match self {
            Self::Query => {
                let kind = if error.status < 500 { "Sender" } else { "Receiver" };
                let inner = Xml::new().text("Type", kind).text("Code", code).text("Message", message);
                Xml::new().element("ErrorResponse", Xml::new().element("Error", inner).text("RequestId", request_id)).0
            }
            Self::Json => serde_json::json!({ "__type": code, "message": message }).to_string(),
            Self::RestJson => {
                headers.push(("x-amzn-errortype", code.clone()));
                serde_json::json!({ "message": message, "Type": "User" }).to_string()
            }
            Self::RestXml => {
                let inner = Xml::new().text("Code", code).text("Message", message).text("RequestId", request_id);
                format!("{DECLARATION}{}", Xml::new().element("Error", inner).0)
            }
        };
        HttpReply { status: error.status, headers, body: body.into_bytes() }
    }

    /// The error for calls that come too fast, in the protocol's words.
    pub(crate) fn throttled(self) -> ApiError {
        match self {
            Self::Query => ApiError::new("Throttling", "Rate exceeded"),
            Self::Json => ApiError::new("ThrottlingException", "Rate exceeded"),
            Self::RestJson => ApiError::new("TooManyRequestsException", "Rate exceeded").with_status(429),
            Self::RestXml => ApiError::new("SlowDown", "Please reduce your request rate.").with_status(503),
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Query => "text/xml",
            Self::Json => "application/x-amz-json-1.1",
            Self::RestJson => "application/json",
            Self::RestXml => "application/xml",
        }
    }
}
