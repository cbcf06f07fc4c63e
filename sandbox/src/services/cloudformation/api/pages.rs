//! Lists in pages. A page's token says how many items stand before it.

use super::super::invalid;
use crate::ApiError;

/// The items of a page. AWS fills its pages to about this many.
pub(in super::super) const PAGE: usize = 100;

/// One page of a list, and the token of the next.
pub(super) fn page<'a, T>(items: &'a [T], token: Option<&str>) -> Result<(&'a [T], Option<String>), ApiError> {
    sized(items, token, PAGE)
}

/// The same with pages of another size.
pub(in super::super) fn sized<'a, T>(
    items: &'a [T],
    token: Option<&str>,
    size: usize,
) -> Result<(&'a [T], Option<String>), ApiError> {
    let start = match token.map(str::parse::<usize>) {
        None => 0,
        Some(Ok(start)) if start <= items.len() => start,
        Some(_) => return Err(invalid("The specified NextToken is not valid")),
    };
    let rest = items.get(start..).unwrap_or_default();
    let page = rest.get(..size).unwrap_or(rest);
    let next = Some(start + size).filter(|next| *next < items.len());
    Ok((page, next.map(|next| next.to_string())))
}
