//! Finds the line of a field in YAML text, so that an error can name it.
//!
//! The parser tells positions in its errors only, so the search walks to the field and fails there on purpose.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// One step of the way to a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Into the field of a mapping.
    Key(String),
    /// Into the element of a list, counted from 0.
    Index(usize),
}

/// The line, counted from 1, of the field at the end of `path`, or of the last part of it that is there.
pub(super) fn of(text: &str, path: &[Step]) -> Option<usize> {
    let longest = (1..=path.len()).rev();
    longest.filter_map(|length| search(text, path.get(..length)?)).next()
}

fn search(text: &str, path: &[Step]) -> Option<usize> {
    let found = Walk(path).deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    found.to_string().contains(FOUND).then(|| found.location().map(|place| place.line())).flatten()
}

/// What the search fails with where it wants to be; the parser adds to it.
const FOUND: &str = "the field that was looked for";

/// Walks along the path, and fails at its end.
#[derive(Clone, Copy)]
struct Walk<'a>(&'a [Step]);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the way to the field")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (name, rest) = match self.0 {
            [Step::Key(name), rest @ ..] => (Some(name.as_str()), rest),
            _ => (None, [].as_slice()),
        };
        while let Some(is_it) = map.next_key_seed(Key { name, is_last: rest.is_empty() })? {
            if is_it {
                map.next_value_seed(Walk(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let (index, rest) = match self.0 {
            [Step::Index(index), rest @ ..] => (Some(*index), rest),
            _ => (None, [].as_slice()),
        };
        for at in 0.. {
            let read = match (Some(at) == index, rest) {
                (false, _) => list.next_element::<IgnoredAny>()?.map(drop),
                (true, []) => list.next_element_seed(End)?,
                (true, _) => list.next_element_seed(Walk(rest))?,
            };
            if read.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// Compares a key, and fails when the path ends at it.
struct Key<'a> {
    name: Option<&'a str>,
    is_last: bool,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<bool, E> {
        let is_it = self.name == Some(key);
        if is_it && self.is_last { Err(E::custom(FOUND)) } else { Ok(is_it) }
    }
}

/// Fails wherever it is: it takes no value of any kind.
struct End;

impl<'de> DeserializeSeed<'de> for End {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for End {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FOUND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_elements_are_found() {
        let text =
            "version: 1\nusers:\n  - alice\n\n  - name: bob\n    secret: x\nschedule: {every: 30d,\n  window: 3h}\n";
        let key = |name: &str| Step::Key(name.to_owned());
        let table = [
            (vec![key("version")], Some(1)),
            (vec![key("users")], Some(2)),
            (vec![key("users"), Step::Index(0)], Some(3)),
            (vec![key("users"), Step::Index(1), key("secret")], Some(6)),
            (vec![key("schedule"), key("window")], Some(8)),
            (vec![key("schedule"), key("absent")], Some(7)),
            (vec![key("absent")], None),
            (vec![], None),
        ];
        for (path, line) in table {
            assert_eq!(of(text, &path), line, "{path:?}");
        }
    }
}
