//! Status codes: which of them have a counter of their own.

/// The codes that some dataset names, the common ones first, so that their counters share a cache line.
pub const CODES: [u16; 21] =
    [200, 304, 404, 301, 302, 206, 204, 400, 401, 403, 416, 429, 499, 500, 502, 503, 504, 501, 505, 530, 103];

/// How many counters a family of statuses has: one per code of [`CODES`], and one per range for all other codes.
pub const FAMILY: usize = CODES.len() + 5;

/// A status that was received or sent, as the index of its counter in a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    index: u8,
    code: u16,
}

/// The index of every code from 0 to 999; 255 for codes that are not a status.
const TABLE: [u8; 1000] = table();

#[expect(clippy::cast_possible_truncation, reason = "a family has fewer than 256 counters")]
const fn table() -> [u8; 1000] {
    let mut table = [u8::MAX; 1000];
    let mut code = 100;
    while code < 600 {
        table[code] = (CODES.len() + code / 100 - 1) as u8;
        code += 1;
    }
    let mut index = 0;
    while index < CODES.len() {
        table[CODES[index] as usize] = index as u8;
        index += 1;
    }
    table
}

/// The index of `code`, which is one of [`CODES`].
pub const fn index_of(code: usize) -> usize {
    TABLE[code] as usize
}

impl Status {
    /// The status `code`, if it is one: 100 to 599.
    #[inline]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the table ends at 999")]
    pub fn new(code: u64) -> Option<Self> {
        let index = *TABLE.get(usize::try_from(code).ok()?)?;
        (index != u8::MAX).then_some(Self { index, code: code as u16 })
    }

    /// The status itself.
    #[inline]
    #[must_use]
    pub const fn code(self) -> u16 {
        self.code
    }

    /// The index of its counter in a [`FAMILY`].
    #[inline]
    #[must_use]
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

/// The indexes that make up a range: `2` for 200 to 299.
pub fn indexes_of_range(range: u16) -> impl Iterator<Item = usize> {
    let named = (0..CODES.len()).filter(move |index| CODES[*index] / 100 == range);
    named.chain(std::iter::once(CODES.len() + usize::from(range) - 1))
}
