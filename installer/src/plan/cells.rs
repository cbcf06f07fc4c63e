//! Which cell each user is in. A cell is a stack with a function of its own and as many users as its limits allow. Whoever
//! is in one stays there; new users go to the first with room.

use std::collections::BTreeMap;

use crate::aws::stacks::Rest;
use crate::config::Config;
use crate::names::{SecretName, UserResources};
use crate::observe::ObservedStack;
use crate::template::{BoundUser, Filling, Template, TemplateError, USERS_PER_CELL, room_for_own_secrets};

/// A cell, as it is wanted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell {
    /// The name of the stack, and of its function.
    pub stack: String,
    /// Its users, in the order in which they were given.
    pub users: Vec<BoundUser>,
}

/// The template that each cell has now, by its number.
///
/// # Errors
/// [`TemplateError`] when one cannot be read.
pub fn deployed(cells: &BTreeMap<usize, ObservedStack>) -> Result<BTreeMap<usize, Template>, TemplateError> {
    let mut templates = BTreeMap::new();
    for (number, found) in cells {
        templates.extend(super::deployed(found)?.map(|template| (*number, template)));
    }
    Ok(templates)
}

/// Says which users each cell has. There is always a first one, and one that has lost its users is there without any; see
/// [`deserted`].
///
/// # Errors
/// [`TemplateError`] when a user cannot be named in a policy.
pub fn assign(
    config: &Config,
    users: &[BoundUser],
    deployed: &BTreeMap<usize, Template>,
) -> Result<BTreeMap<usize, Cell>, TemplateError> {
    let mut members = BTreeMap::new();
    let empty = Room { own_secrets: room_for_own_secrets(config)?, ..Room::default() };
    let mut rooms = BTreeMap::from([(1, empty)]);
    for (number, template) in deployed {
        rooms.insert(*number, empty);
        members.extend(template.resources().into_keys().map(|id| (id, *number)));
    }
    let cell_of = |user: &BoundUser| members.get(&UserResources::of(&user.name).secret).copied();
    for user in users {
        if let Some(room) = cell_of(user).and_then(|number| rooms.get_mut(&number)) {
            room.keep(user, &config.secret_name(&user.name), config)?;
        }
    }
    let mut cells: BTreeMap<usize, Cell> = rooms.keys().map(|number| (*number, Cell::default())).collect();
    for user in users {
        let number = match cell_of(user) {
            Some(number) => number,
            None => first_with_room(&mut rooms, empty, user, config)?,
        };
        cells.entry(number).or_default().users.push(user.clone());
    }
    cells.iter_mut().for_each(|(number, cell)| cell.stack = config.stack.cell(*number));
    Ok(cells)
}

/// The cells at the end that nobody is in any more, the last first, and what keeps others that are empty from going.
///
/// Only from the end: cells are looked for by number, and one behind a gap might not be found. The first one stays. A cell
/// that is not as it should be is a person's business, and so is a protected one.
pub fn deserted(found: &BTreeMap<usize, ObservedStack>, cells: &BTreeMap<usize, Cell>) -> (Vec<usize>, Vec<String>) {
    let is_empty = |number: &usize| *number > 1 && cells.get(number).is_some_and(|cell| cell.users.is_empty());
    let goes = |(number, found): &(&usize, &ObservedStack)| {
        is_empty(number) && found.stack.status.rest() == Rest::Usable && !found.stack.protected
    };
    let behind =
        cells.keys().next_back().copied().unwrap_or_default() > found.keys().copied().max().unwrap_or_default();
    let going: Vec<usize> = match behind {
        true => Vec::new(),
        false => found.iter().rev().take_while(goes).map(|(number, _)| *number).collect(),
    };
    let staying =
        cells.iter().filter(|(number, _)| is_empty(number) && !going.contains(number)).map(|(number, cell)| {
            let is_protected = found.get(number).is_some_and(|found| found.stack.protected);
            let why = if is_protected { "it is protected from deletion" } else { "there are others behind it" };
            format!("the stack `{}` has no users any more, and stays for new ones: {why}", cell.stack)
        });
    let staying = staying.collect();
    (going, staying)
}

fn first_with_room(
    rooms: &mut BTreeMap<usize, Room>,
    empty: Room,
    user: &BoundUser,
    config: &Config,
) -> Result<usize, TemplateError> {
    let secret = config.secret_name(&user.name);
    for number in 1.. {
        let room = rooms.entry(number).or_insert(empty);
        if room.take(user, &secret, config)? {
            return Ok(number);
        }
    }
    Ok(1)
}

/// What a cell has taken up.
#[derive(Debug, Clone, Copy, Default)]
struct Room {
    users: usize,
    /// None when nobody can say that another user fits.
    policies: Option<Filling>,
    /// How many more users it has room for whose secret has a name of its own.
    own_secrets: usize,
}

impl Room {
    /// Counts a user who is there already.
    fn keep(&mut self, user: &BoundUser, secret: &SecretName, config: &Config) -> Result<(), TemplateError> {
        if !self.take(user, secret, config)? {
            self.users = USERS_PER_CELL;
        }
        Ok(())
    }

    /// Takes a user in, if there is room. An empty cell takes everybody.
    fn take(&mut self, user: &BoundUser, secret: &SecretName, config: &Config) -> Result<bool, TemplateError> {
        let filling = self.policies.unwrap_or_default().with(user, secret, &config.region)?;
        let own_secret = usize::from(*secret != SecretName::of_user(&user.name));
        let is_full = filling.is_none() || own_secret > self.own_secrets;
        if self.users >= USERS_PER_CELL || self.users > 0 && is_full {
            return Ok(false);
        }
        self.own_secrets = self.own_secrets.saturating_sub(own_secret);
        self.users += 1;
        self.policies = filling.or(self.policies);
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
