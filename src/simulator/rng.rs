//! A small random number generator whose numbers depend only on the seed (Steele, Lea and Flood, "Fast splittable
//! pseudorandom number generators", 2014: SplitMix64). It never makes real secrets.

#[derive(Debug, Clone)]
pub struct SplitMix(u64);

impl SplitMix {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound; `None` if the bound is 0.
    pub fn next_below(&mut self, bound: u64) -> Option<u64> {
        if bound == 0 {
            return None;
        }
        Some(self.next_u64() % bound)
    }

    /// True in this many of a thousand cases.
    pub fn one_in_thousand(&mut self, in_thousand: u64) -> bool {
        self.next_u64() % 1000 < in_thousand
    }

    /// A text of random letters of an alphabet.
    pub fn random_text(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length)
            .map(|_| char::from(alphabet[(self.next_u64() % alphabet.len() as u64) as usize]))
            .collect()
    }
}
