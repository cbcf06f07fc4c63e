//! Any bytes as an event of the rotation function: it is read or refused, and what is shown of it is short and no secret.
#![no_main]

use contract::SecretText;
use libfuzzer_sys::fuzz_target;

/// The function is a binary, so its parser is taken in as source.
#[path = "../../rotator/src"]
#[allow(dead_code, reason = "the function uses all of it")]
mod rotator {
    pub(crate) mod event;
}

use rotator::event::Request;

/// Longer than any error that quotes nothing.
const LONGEST_ERROR: usize = 150;

fuzz_target!(|bytes: &[u8]| {
    let Ok(event) = serde_json::from_slice(bytes) else { return };
    match Request::parse(&event) {
        Ok(Request::Step(step)) => {
            let shown = format!("{step:?}");
            let names = [step.step.to_string(), step.secret.to_string(), step.token.to_string()].concat();
            let token = step.rotation_token.as_ref().map(SecretText::expose);
            // A token that is part of a name, or of the words around it, says nothing.
            let is_shown =
                token.is_some_and(|token| token.len() > 24 && shown.contains(token) && !names.contains(token));
            assert!(!is_shown);
        }
        Ok(_) => {}
        Err(error) => assert!(error.to_string().len() <= LONGEST_ERROR, "{error}"),
    }
});
