//! Status codes: which of them have a place of their own in a tally.

/// The codes that some dataset names; the common ones first, so that they share a cache line.
pub const CODES: [u16; 21] =
    [200, 304, 404, 301, 302, 206, 204, 400, 401, 403, 416, 429, 499, 500, 502, 503, 504, 501, 505, 530, 103];

/// How many places a family of statuses takes: one per code, and one per range for the codes that have none.
pub const PLACES: usize = CODES.len() + 5;

/// A status that was received or sent, as its place in a family of counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(u8);

/// Codes from 0 to 999 and their places; 255 for those that are no status.
const TABLE: [u8; 1000] = table();

#[expect(clippy::cast_possible_truncation, reason = "places are few")]
const fn table() -> [u8; 1000] {
    let mut table = [u8::MAX; 1000];
    let mut code = 100;
    while code < 600 {
        table[code] = (CODES.len() + code / 100 - 1) as u8;
        code += 1;
    }
    let mut place = 0;
    while place < CODES.len() {
        table[CODES[place] as usize] = place as u8;
        place += 1;
    }
    table
}

/// The place of the code `code`, which has one of its own.
pub const fn place_of(code: usize) -> usize {
    TABLE[code] as usize
}

impl Status {
    /// The status `code`, when it is one: 100 to 599.
    #[inline]
    #[must_use]
    pub fn new(code: u64) -> Option<Self> {
        let place = *TABLE.get(usize::try_from(code).ok()?)?;
        (place != u8::MAX).then_some(Self(place))
    }

    /// Its place in a family of [`PLACES`] counters.
    #[inline]
    #[must_use]
    pub const fn place(self) -> usize {
        self.0 as usize
    }
}

/// The places that make up a range: `2` for 200 to 299.
pub fn places_in(range: u16) -> impl Iterator<Item = usize> {
    let named = (0..CODES.len()).filter(move |place| CODES[*place] / 100 == range);
    named.chain(std::iter::once(CODES.len() + usize::from(range) - 1))
}
