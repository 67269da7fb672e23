//! Random numbers that a seed repeats.

use std::ops::Range;
use std::time::Duration;

/// One stream of them. SplitMix64: enough to choose faults by.
pub struct Dice(u64);

impl Dice {
    /// The stream of this number. Streams of one seed have nothing in common.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut dice = Self(seed ^ stream.wrapping_mul(0xA076_1D64_78BD_642F));
        dice.next();
        dice
    }

    /// A duration in the range, to the millisecond.
    pub fn span(&mut self, range: &Range<Duration>) -> Duration {
        let width = u64::try_from((range.end - range.start).as_millis()).unwrap_or(u64::MAX).max(1);
        range.start + Duration::from_millis(self.next() % width)
    }

    /// One of several, each as likely as often as it is there.
    pub fn one_of<T: Clone>(&mut self, several: &[T]) -> T {
        several[usize::try_from(self.next() % several.len() as u64).unwrap_or_default()].clone()
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.next() % sides
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
