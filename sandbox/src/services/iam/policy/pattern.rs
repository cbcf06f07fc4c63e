//! Patterns with `*` and `?`, over plain texts and over ARNs.

/// Whether `text` has the form of `pattern`: `*` stands for any characters, also none, and `?` for exactly one.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut characters = pattern.chars();
    match characters.next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = characters.as_str();
            let mut tails = text.char_indices().map(|(index, _)| index).chain([text.len()]);
            tails.any(|index| text.get(index..).is_some_and(|tail| matches(rest, tail)))
        }
        Some(wanted) => {
            let mut letters = text.chars();
            letters.next().is_some_and(|letter| wanted == '?' || wanted == letter)
                && matches(characters.as_str(), letters.as_str())
        }
    }
}

/// Whether an ARN has the form of `pattern`. The six parts of an ARN are compared one by one: no `*` reaches over a
/// colon, except in the last part, which may hold colons of its own.
pub(super) fn matches_arn(pattern: &str, arn: &str) -> bool {
    // A policy may name hundreds of resources, and nearly all differ before the first wildcard.
    if pattern.split(['*', '?']).next().is_none_or(|fixed| !arn.starts_with(fixed)) {
        return false;
    }
    let (pattern, arn): (Vec<&str>, Vec<&str>) = (pattern.splitn(6, ':').collect(), arn.splitn(6, ':').collect());
    pattern.len() == 6 && arn.len() == 6 && pattern.iter().zip(&arn).all(|(pattern, part)| matches(pattern, part))
}
