//! How a partial is written.

use crate::schema::counters::Kind;

/// The form that this crate writes, and the only one that it reads.
pub const VERSION: u8 = 1;

/// Stands between two sections, where a row would have its kind.
pub(super) const SECTION: u8 = 0xFF;

/// Writes one partial.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A partial of rows in `scopes`: service id, POP, and records per second. A row names its scope by position.
    pub fn new<'a>(scopes: impl ExactSizeIterator<Item = (&'a str, &'a str, &'a [(u64, u64)])>) -> Self {
        Self::behind(vec![], scopes)
    }

    /// The same, written behind another `partial`: what either holds, both hold together.
    pub fn behind<'a>(
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

    /// A row of a domain; nothing is written for one without counters.
    pub fn domain(&mut self, kind: Kind, scope: u32, second: u64, name: &str, counters: &[(usize, u64)]) {
        self.row(kind, scope, second, name, None, counters);
    }

    /// A row of an origin; nothing is written for one without counters.
    pub fn origin(
        &mut self,
        kind: Kind,
        scope: u32,
        second: u64,
        name: &str,
        address: &str,
        counters: &[(usize, u64)],
    ) {
        self.row(kind, scope, second, name, Some(address), counters);
    }

    /// A place for a domain in `second`, or for its service if `name` is empty: a row without counters.
    pub fn place(&mut self, scope: u32, second: u64, name: &str) {
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
        name: &str,
        address: Option<&str>,
        counters: &[(usize, u64)],
    ) {
        if counters.is_empty() {
            return;
        }
        self.bytes.push(kind as u8);
        self.number(u64::from(scope));
        self.number(second);
        self.text(name);
        if let Some(address) = address {
            self.text(address);
        }
        write_counters(&mut self.bytes, counters.iter().copied());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn number(&mut self, value: u64) {
        write_number(&mut self.bytes, value);
    }

    /// The partial.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Appends the counters that are not 0: how many, then place and value of each.
#[expect(clippy::cast_possible_truncation, reason = "a tally has fewer than 256 counters")]
pub(crate) fn write_counters(bytes: &mut Vec<u8>, counters: impl Iterator<Item = (usize, u64)>) {
    let count_at = bytes.len();
    bytes.push(0);
    for (place, value) in counters.filter(|(_, value)| *value != 0) {
        bytes[count_at] += 1;
        bytes.push(place as u8);
        write_number(bytes, value);
    }
}

pub(super) fn write_number(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

/// Appends `section` to `partial`: what either holds, both hold together.
pub fn join(partial: &mut Vec<u8>, section: &[u8]) {
    if !partial.is_empty() && !section.is_empty() {
        partial.push(SECTION);
    }
    partial.extend_from_slice(section);
}
