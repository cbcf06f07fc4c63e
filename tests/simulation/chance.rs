//! Chance that depends on the seed and on what it is about, and on nothing that was drawn before.

/// All that is random in a year.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chance {
    seed: u64,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Random numbers about one thing: the same ones whenever and wherever they are drawn.
    pub(crate) fn about(self, what: &[&str]) -> fastrand::Rng {
        // FNV-1a, with something behind each word that is in no word.
        let bytes = what.iter().flat_map(|word| word.bytes().chain([0xff]));
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        fastrand::Rng::with_seed(self.seed.to_le_bytes().into_iter().chain(bytes).fold(0xcbf2_9ce4_8422_2325, step))
    }

    /// Whether something happens that happens in so many of a thousand cases.
    pub(crate) fn happens(self, per_thousand: u32, what: &[&str]) -> bool {
        self.about(what).u32(0..1000) < per_thousand
    }
}
