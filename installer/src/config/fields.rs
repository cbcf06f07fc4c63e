//! Takes the fields of a mapping one by one, so that a wrong or unknown one is an error that names it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_yaml::{Mapping, Value};

use super::duration;
use super::error::Problem;
use super::line::Step;
use crate::names::excerpt;

/// What is wrong, and where.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) place: Place,
    pub(crate) problem: Problem,
}

/// The way to a field, as people write it: `users[1].secret`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place(pub(crate) Vec<Step>);

impl Place {
    /// The place of a field that is known by name.
    pub(crate) fn of(names: &[&str]) -> Self {
        Self(names.iter().map(|name| Step::Key((*name).to_owned())).collect())
    }

    pub(crate) fn then(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    pub(crate) fn fault(&self, problem: Problem) -> Fault {
        Fault { place: self.clone(), problem }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(name) if position == 0 => write!(f, "{}", excerpt(name))?,
                Step::Key(name) => write!(f, ".{}", excerpt(name))?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A mapping whose fields are taken one by one.
pub(crate) struct Fields {
    place: Place,
    mapping: Mapping,
}

impl Fields {
    /// A mapping of which nothing was said.
    pub(super) fn empty(name: &str) -> Self {
        Self { place: Place::of(&[name]), mapping: Mapping::new() }
    }

    /// A field that may be missing; an empty one counts as missing.
    pub(crate) fn optional(&mut self, name: &'static str) -> Option<Field> {
        let value = self.mapping.shift_remove(name)?;
        (!value.is_null()).then_some(Field { place: self.place_of(name), value })
    }

    /// A field that must be there.
    pub(crate) fn required(&mut self, name: &'static str) -> Result<Field, Fault> {
        self.optional(name).ok_or_else(|| self.place_of(name).fault(Problem::Missing))
    }

    /// The mapping inside a field, empty when the field is missing.
    pub(crate) fn inner(&mut self, name: &'static str, known: &[&'static str]) -> Result<Self, Fault> {
        match self.optional(name) {
            Some(field) => field.fields(known),
            None => Ok(Self { place: self.place_of(name), mapping: Mapping::new() }),
        }
    }

    /// A duration, or what it is when nothing is said.
    pub(crate) fn duration(&mut self, name: &'static str, default: Duration) -> Result<Duration, Fault> {
        self.optional(name).map_or(Ok(default), |field| field.duration())
    }

    /// One of a few words, or what it is when nothing is said.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        choices: &[(&'static str, T)],
        default: T,
    ) -> Result<T, Fault> {
        self.optional(name).map_or(Ok(default), |field| field.choice(choices))
    }

    /// Where a field of this mapping is, or would be.
    pub(crate) fn place_of(&self, name: &str) -> Place {
        self.place.then(Step::Key(name.to_owned()))
    }

    fn check(&self, known: &[&'static str]) -> Result<(), Fault> {
        for key in self.mapping.keys() {
            let Value::String(name) = key else {
                return Err(self.place.fault(Problem::kind(key, "text as the name of a field")));
            };
            if !known.contains(&name.as_str()) {
                let unknown = Problem::Unknown { suggestion: suggestion(name, known), known: known.to_vec() };
                return Err(self.place_of(name).fault(unknown));
            }
        }
        Ok(())
    }
}

/// The known name that was probably meant: two typing errors away at most, and most of the word still right.
fn suggestion(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let near = known.iter().map(|known| (strsim::damerau_levenshtein(known, name), *known)).min();
    near.filter(|(distance, known)| *distance <= 2 && distance * 2 < known.len()).map(|(_, known)| known)
}

/// A value and its place.
pub(crate) struct Field {
    pub(crate) place: Place,
    value: Value,
}

impl Field {
    /// The whole document.
    pub(crate) fn document(value: Value) -> Self {
        Self { place: Place::default(), value }
    }

    /// A value that stands elsewhere than in its document.
    pub(crate) fn at(place: Place, value: Value) -> Self {
        Self { place, value }
    }

    /// The value as it is.
    pub(crate) fn into_value(self) -> Value {
        self.value
    }

    pub(crate) fn text(self) -> Result<String, Fault> {
        match self.value {
            Value::String(text) => Ok(text),
            other => Err(self.place.fault(Problem::kind(&other, "text"))),
        }
    }

    pub(crate) fn number(self) -> Result<u64, Fault> {
        self.value.as_u64().ok_or_else(|| self.place.fault(Problem::kind(&self.value, "a whole number")))
    }

    pub(crate) fn flag(self) -> Result<bool, Fault> {
        self.value.as_bool().ok_or_else(|| self.place.fault(Problem::kind(&self.value, "`true` or `false`")))
    }

    pub(crate) fn list(self) -> Result<Vec<Self>, Fault> {
        let Value::Sequence(values) = self.value else {
            return Err(self.place.fault(Problem::kind(&self.value, "a list")));
        };
        let place = |index| self.place.then(Step::Index(index));
        Ok(values.into_iter().enumerate().map(|(index, value)| Self { place: place(index), value }).collect())
    }

    /// A mapping with none but these fields.
    pub(crate) fn fields(self, known: &[&'static str]) -> Result<Fields, Fault> {
        let fields = self.any_fields()?;
        fields.check(known).map(|()| fields)
    }

    fn any_fields(self) -> Result<Fields, Fault> {
        match self.value {
            Value::Mapping(mapping) => Ok(Fields { place: self.place, mapping }),
            other => Err(self.place.fault(Problem::kind(&other, "a mapping of fields"))),
        }
    }

    /// Every field of a mapping whose names are free.
    pub(crate) fn entries(self) -> Result<Vec<(String, Self)>, Fault> {
        let Fields { place, mapping } = self.any_fields()?;
        let entry = |(key, value)| match key {
            Value::String(name) => Ok((name.clone(), Self { place: place.then(Step::Key(name)), value })),
            other => Err(place.fault(Problem::kind(&other, "text as the name of a field"))),
        };
        mapping.into_iter().map(entry).collect()
    }

    pub(crate) fn is_mapping(&self) -> bool {
        self.value.is_mapping()
    }

    /// Text that something of ours can be made of.
    pub(crate) fn parse<T: FromStr<Err: fmt::Display>>(self) -> Result<T, Fault> {
        let place = self.place.clone();
        self.text()?.parse().map_err(|error: T::Err| place.fault(Problem::Unusable(error.to_string())))
    }

    /// Text of a given form.
    pub(crate) fn matching(self, expected: &'static str, valid: impl Fn(&str) -> bool) -> Result<String, Fault> {
        let place = self.place.clone();
        let text = self.text()?;
        if valid(&text) { Ok(text) } else { Err(place.fault(Problem::not(&text, expected))) }
    }

    pub(crate) fn duration(self) -> Result<Duration, Fault> {
        let expected = "a duration such as `30d`, `12h` or `15m`";
        let Value::String(text) = &self.value else {
            return Err(self.place.fault(Problem::kind(&self.value, expected)));
        };
        duration::parse(text).ok_or_else(|| self.place.fault(Problem::not(text, expected)))
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(self, choices: &[(&'static str, T)]) -> Result<T, Fault> {
        let place = self.place.clone();
        let text = self.text()?;
        let found = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
        let names: Vec<String> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
        found.ok_or_else(|| place.fault(Problem::not(&text, &names.join(" or "))))
    }
}
