//! `render`, for all users or for one: in which other forms the secrets hold the keys too.

use std::collections::BTreeSet;

use contract::{Rendering, Renderings};

use super::error::Problem;
use super::fields::{Fault, Field};

/// Reads `render`, a list of names, each once. An empty list says that there is to be none.
pub(super) fn read(field: Field) -> Result<Renderings, Fault> {
    let of_list = field.place.clone();
    let mut these: Vec<Rendering> = Vec::new();
    for field in field.list()? {
        let place = field.place.clone();
        let rendering = field.choice(&Rendering::ALL)?;
        if let Some(first) = these.iter().position(|other| *other == rendering) {
            let name = rendering.name().to_owned();
            return Err(place.fault(Problem::Twice { name, first: format!("{of_list}[{first}]") }));
        }
        these.push(rendering);
    }
    Ok(Renderings::Exactly(BTreeSet::from_iter(these)))
}
