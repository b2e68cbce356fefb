//! Chance that can be had again.

use std::time::SystemTime;

/// Numbers that are the same again for the same seed (xorshift64).
pub struct Random(u64);

/// `FLEET_E2E_SEED`, or another one each time.
pub fn seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    std::env::var("FLEET_E2E_SEED").map_or_else(|_| u64::from(now.subsec_nanos()) | 1, |text| text.parse().unwrap())
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// How many are done in every run, or with `FLEET_E2E_ALL` set all of them.
pub fn samples(few: usize, all: usize) -> usize {
    if std::env::var_os("FLEET_E2E_ALL").is_some() { all } else { few }
}
