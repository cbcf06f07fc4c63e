//! The XML document that DeleteObjects is called with.

use crate::ApiError;

/// One object, or one version of it, that is to be deleted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Doomed {
    pub(super) key: String,
    pub(super) version: Option<String>,
}

/// The objects of a `Delete` document, and whether only errors are to be answered.
pub(super) fn read(body: &[u8]) -> Result<(Vec<Doomed>, bool), ApiError> {
    let malformed = || ApiError::new("MalformedXML", "The XML you provided was not well-formed");
    let text = std::str::from_utf8(body).map_err(|_| malformed())?;
    let mut doomed = Vec::new();
    let (_, mut rest) = text.split_once("<Delete").and_then(|(_, rest)| rest.split_once('>')).ok_or_else(malformed)?;
    while let Some((object, after)) = element(rest, "Object") {
        let key = element(object, "Key").map(|(key, _)| unescaped(key)).ok_or_else(malformed)?;
        let version = element(object, "VersionId").map(|(version, _)| unescaped(version));
        doomed.push(Doomed { key, version });
        rest = after;
    }
    if doomed.is_empty() || doomed.len() > 1000 {
        return Err(malformed());
    }
    let quiet = element(text, "Quiet").is_some_and(|(quiet, _)| quiet == "true");
    Ok((doomed, quiet))
}

/// The first element of this name: what stands in it, and what after it.
fn element<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>"))
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_versions_are_read() {
        let body = r#"<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a&amp;b</Key></Object><Object><Key>c</Key><VersionId>v1</VersionId></Object><Quiet>true</Quiet></Delete>"#;
        let doomed = |key: &str, version: Option<&str>| Doomed { key: key.into(), version: version.map(Into::into) };
        assert_eq!(read(body.as_bytes()), Ok((vec![doomed("a&b", None), doomed("c", Some("v1"))], true)));
    }

    #[test]
    fn nothing_to_delete_is_an_error() {
        for body in ["", "<Delete></Delete>", "<Delete><Object></Object></Delete>"] {
            assert_eq!(read(body.as_bytes()).unwrap_err().code, "MalformedXML", "{body}");
        }
    }
}
