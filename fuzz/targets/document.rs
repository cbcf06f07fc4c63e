//! Any bytes as the value of a secret: it is read or refused, and what was read is written as it was.
#![no_main]

use contract::{AccessKeyId, KeyPair, Region, Rendering, Renderings, SecretDocument, SecretText};
use libfuzzer_sys::fuzz_target;

/// Longer than any error that quotes nothing.
const LONGEST_ERROR: usize = 100;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let document = match SecretDocument::parse(&SecretText::new(text)) {
        Ok(document) => document,
        Err(error) => {
            assert!(error.to_string().len() <= LONGEST_ERROR, "{error}");
            return;
        }
    };
    assert!(SecretDocument::parse(&document.to_text()) == Ok(document.clone()), "it does not read back");

    // The next version reads back too, whatever it is rendered as.
    let (Ok(id), Ok(region)) = (AccessKeyId::new("AKIAAAAAAAAAAAAAAAAA"), Region::new("eu-central-1")) else { return };
    let key = KeyPair { id, secret: SecretText::new("a secret half") };
    let all = Renderings::Exactly(Rendering::ALL.map(|(_, rendering)| rendering).into());
    for renderings in [Renderings::AsFound, all] {
        let next = document.with_key(key.clone(), &renderings, &region);
        assert!(next.user == document.user && next.key.as_ref() == Some(&key));
        assert!(SecretDocument::parse(&next.to_text()) == Ok(next), "the next one does not read back");
    }
});
