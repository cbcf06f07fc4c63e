//! Turns away a file that is no configuration before much time or memory goes into it: YAML says a lot in few bytes.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};

/// In bytes. 5,000 users with the longest names, for themselves and for their secrets, come to three quarters of it.
const LARGEST: usize = 4 * 1024 * 1024;

/// Opening brackets: two for each of 5,000 users, and some.
const BRACKETS: usize = 10_500;

/// Opening brackets that are not closed yet. For what is nested in them the parser takes a time that grows with the square
/// of their number. Whoever closes some in a comment gets further, but not beyond the number of all.
const NESTED: usize = 1_000;

/// Values, each counted as often as it is referred to: in a few lines, references to lists of references are millions.
const VALUES: usize = 100_000;

/// Reads a file, and of one that is too large just enough to see that it is.
pub(super) fn read(path: &Path) -> std::io::Result<String> {
    let mut text = Vec::new();
    File::open(path)?.take(LARGEST as u64 + 1).read_to_end(&mut text)?;
    // The end may have cut a character in two.
    if text.len() > LARGEST {
        return Ok(String::from_utf8_lossy(&text).into_owned());
    }
    String::from_utf8(text).map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error()))
}

/// Says what there is too much of in a text. What is wrong with it otherwise is not said here.
pub(super) fn check(text: &str) -> Result<(), &'static str> {
    if text.len() > LARGEST {
        return Err("bytes");
    }
    let (mut opened, mut nested) = (0, 0_usize);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => (opened, nested) = (opened + 1, nested + 1),
            b']' | b'}' => nested = nested.saturating_sub(1),
            _ => {}
        }
        if opened > BRACKETS || nested > NESTED {
            return Err("brackets");
        }
    }
    let mut count = 0;
    let _ = Count(&mut count).deserialize(serde_yaml::Deserializer::from_str(text));
    if count > VALUES { Err("values") } else { Ok(()) }
}

/// Walks over all values, and fails when there are too many.
struct Count<'a>(&'a mut usize);

impl Count<'_> {
    fn one<E: Error>(self) -> Result<(), E> {
        *self.0 += 1;
        if *self.0 > VALUES { Err(E::custom("too many values")) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Count<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Count<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.one()
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.one()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.one()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.one()
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<(), E> {
        self.one()
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<(), E> {
        self.one()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.one()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.one()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Count(self.0))?.is_some() {}
        self.one()
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key_seed(Count(self.0))?.is_some() {
            map.next_value_seed(Count(self.0))?;
        }
        self.one()
    }

    /// A value with a tag.
    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let ((), value) = tagged.variant_seed(Count(self.0))?;
        value.newtype_variant_seed(Count(self.0))
    }
}
