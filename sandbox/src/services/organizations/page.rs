//! The pages of lists. Organizations may return fewer items than were asked for, also none at all, although there are
//! more (API reference, ListAccounts): a list that does not fit on one page begins with an empty one here, and every
//! third page after it is one item short.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::ApiError;
use crate::input::JsonInput;

/// The largest page, and the usual one (API reference, ListAccounts, MaxResults).
const LARGEST: usize = 20;

/// Which part of a list is asked for.
#[derive(Debug)]
pub(super) struct Page {
    /// What is listed: a token is good for one list only.
    list: String,
    size: usize,
    /// How many pages came before.
    number: usize,
    /// The last item on them.
    after: String,
}

impl Page {
    /// Takes the parameters of a page; `list` says of what.
    pub(super) fn take(input: &mut JsonInput, list: String) -> Result<Self, ApiError> {
        let size = match input.number("MaxResults")?.map(usize::try_from) {
            None => LARGEST,
            Some(Ok(size)) if (1..=LARGEST).contains(&size) => size,
            Some(_) => return Err(invalid("You specified a MaxResults that is not between 1 and 20.")),
        };
        let token = input.text("NextToken")?.map(|token| read(&token, &list).ok_or_else(wrong_token)).transpose()?;
        let (number, after) = token.unwrap_or_default();
        Ok(Self { list, size, number, after })
    }

    /// The items of the page, out of all of them in the order of their keys, and the token of the next page.
    pub(super) fn of<T>(self, items: impl IntoIterator<Item = (String, T)>) -> (Vec<T>, Option<String>) {
        let mut rest: Vec<(String, T)> = items.into_iter().filter(|(key, _)| *key > self.after).collect();
        let taken = match self.number {
            _ if rest.len() <= self.size => rest.len(),
            0 => 0,
            number if number % 3 == 0 => (self.size - 1).max(1),
            _ => self.size,
        };
        let is_last = taken == rest.len();
        rest.truncate(taken);
        let after = rest.last().map_or(self.after, |(key, _)| key.clone());
        let next = (!is_last).then(|| BASE64_STANDARD.encode(format!("{} {} {after}", self.list, self.number + 1)));
        (rest.into_iter().map(|(_, item)| item).collect(), next)
    }
}

fn read(token: &str, list: &str) -> Option<(usize, String)> {
    let token = String::from_utf8(BASE64_STANDARD.decode(token).ok()?).ok()?;
    let (number, after) = token.strip_prefix(list)?.strip_prefix(' ')?.split_once(' ')?;
    Some((number.parse().ok()?, after.to_owned()))
}

fn wrong_token() -> ApiError {
    invalid("INVALID_NEXT_TOKEN: get the NextToken from the response to a previous call of the operation.")
}

pub(super) fn invalid(message: &str) -> ApiError {
    ApiError::new("InvalidInputException", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_begins_with_an_empty_page_unless_it_fits_on_one() {
        let sizes = |items: usize, size: usize| {
            let (mut sizes, mut all, mut token) = (Vec::new(), Vec::new(), None);
            loop {
                let (number, after) = token.as_deref().map_or((0, String::new()), |token| read(token, "L").unwrap());
                let page = Page { list: "L".into(), size, number, after };
                let (found, next) = page.of((0..items).map(|number| (format!("{number:04}"), number)));
                sizes.push(found.len());
                all.extend(found);
                token = next;
                if token.is_none() {
                    assert_eq!(all, (0..items).collect::<Vec<_>>());
                    return sizes;
                }
            }
        };
        assert_eq!(sizes(0, 20), [0]);
        assert_eq!(sizes(20, 20), [20]);
        assert_eq!(sizes(21, 20), [0, 20, 1]);
        assert_eq!(sizes(90, 20), [0, 20, 20, 19, 20, 11]);
        assert_eq!(sizes(4, 1), [0, 1, 1, 1, 1]);
    }
}
