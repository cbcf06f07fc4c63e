//! Fingerprints of states: what an exploration remembers of a state is 128 bits of it.

use std::hash::{BuildHasherDefault, Hash, Hasher};

/// The fingerprint of a value.
pub(super) fn fingerprint(value: &impl Hash) -> u128 {
    let mut mixer = Mixer::default();
    value.hash(&mut mixer);
    u128::from(mixer.0) << 64 | u128::from(mixer.1)
}

/// A hash that is fast without optimization, too. Its two halves multiply and fold with different factors, so that two
/// states in a million million will hardly ever share one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mixer(u64, u64);

pub(super) type Fast = BuildHasherDefault<Mixer>;

impl Default for Mixer {
    fn default() -> Self {
        Self(0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344)
    }
}

impl Mixer {
    fn mix(&mut self, word: u64) {
        let fold = |lane: u64, factor: u64| {
            let product = u128::from(lane ^ word) * u128::from(factor);
            (product as u64).rotate_left(7) ^ (product >> 64) as u64
        };
        (self.0, self.1) = (fold(self.0, 0xa076_1d64_78bd_642f), fold(self.1, 0xe703_7ed1_a0b4_28db));
    }
}

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0 ^ self.1
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.mix(u64::from(*byte)));
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.mix(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    fn write_u128(&mut self, value: u128) {
        self.mix(value as u64);
        self.mix((value >> 64) as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.mix(value as u64);
    }
}
