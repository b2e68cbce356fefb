//! Numbers that look random and are the same in every run.

pub struct Seeded(pub u64);

impl Seeded {
    /// A number below `limit` (Knuth's MMIX generator; its low bits are poor).
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = self.below(from.len().try_into().unwrap());
        &from[usize::try_from(at).unwrap()]
    }
}
