//! Writing partials.

use crate::partial::bytes::{write_number, write_text};
use crate::partial::version::VERSION;
use crate::schema::counters::Kind;

/// Separates two sections. It stands where a row would have its kind.
pub(super) const SECTION: u8 = 0xFF;

/// Writes one section of a partial.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Starts a partial with these scopes: service id, POP, and records per second. A row names its scope by index.
    pub fn new<'a>(scopes: impl ExactSizeIterator<Item = (&'a str, &'a str, &'a [(u64, u64)])>) -> Self {
        Self::append(vec![], scopes)
    }

    /// Starts another section of `partial`.
    pub fn append<'a>(
        mut partial: Vec<u8>,
        scopes: impl ExactSizeIterator<Item = (&'a str, &'a str, &'a [(u64, u64)])>,
    ) -> Self {
        join(&mut partial, &[VERSION]);
        let mut writer = Self { bytes: partial };
        writer.number(scopes.len() as u64);
        for (service_id, pop, records) in scopes {
            writer.text(service_id);
            writer.text(pop);
            writer.number(records.len() as u64);
            for (second, count) in records {
                writer.number(*second);
                writer.number(*count);
            }
        }
        writer
    }

    /// Writes a row of a domain, unless it has no counters.
    pub fn domain(&mut self, kind: Kind, scope: u32, second: u64, name: &str, counters: &[(usize, u64)]) {
        self.row(kind, scope, second, Some(name), None, counters);
    }

    /// Writes a row of a service, unless it has no counters.
    pub fn channel(&mut self, kind: Kind, scope: u32, second: u64, counters: &[(usize, u64)]) {
        self.row(kind, scope, second, None, None, counters);
    }

    /// Writes a row of an origin, unless it has no counters.
    pub fn origin(
        &mut self,
        kind: Kind,
        scope: u32,
        second: u64,
        name: &str,
        address: &str,
        counters: &[(usize, u64)],
    ) {
        self.row(kind, scope, second, Some(name), Some(address), counters);
    }

    /// Writes a reservation for a domain in `second`, or for its service if `name` is empty.
    pub fn reserve(&mut self, scope: u32, second: u64, name: &str) {
        self.bytes.push(Kind::Delivery as u8);
        self.number(u64::from(scope));
        self.number(second);
        self.text(name);
        self.bytes.push(0);
    }

    fn row(
        &mut self,
        kind: Kind,
        scope: u32,
        second: u64,
        name: Option<&str>,
        address: Option<&str>,
        counters: &[(usize, u64)],
    ) {
        if counters.is_empty() {
            return;
        }
        self.bytes.push(kind as u8);
        self.number(u64::from(scope));
        self.number(second);
        for text in name.into_iter().chain(address) {
            self.text(text);
        }
        write_counters(&mut self.bytes, counters.iter().copied());
    }

    fn text(&mut self, text: &str) {
        write_text(&mut self.bytes, text.as_bytes());
    }

    fn number(&mut self, value: u64) {
        write_number(&mut self.bytes, value);
    }

    /// The finished partial.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Appends the counters that are not 0: how many there are, then counter and value of each.
#[expect(clippy::cast_possible_truncation, reason = "a row has fewer than 256 counters")]
pub(crate) fn write_counters(bytes: &mut Vec<u8>, counters: impl Iterator<Item = (usize, u64)>) {
    let count_at = bytes.len();
    bytes.push(0);
    for (counter, value) in counters.filter(|(_, value)| *value != 0) {
        bytes[count_at] += 1;
        bytes.push(counter as u8);
        write_number(bytes, value);
    }
}

/// Appends `section` to `partial`, which then has the rows of both.
pub fn join(partial: &mut Vec<u8>, section: &[u8]) {
    if !partial.is_empty() && !section.is_empty() {
        partial.push(SECTION);
    }
    partial.extend_from_slice(section);
}
