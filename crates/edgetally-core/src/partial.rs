//! Partials: tallies on their way, as bytes that any process of the same version can merge.
//!
//! Merging is addition, so a partial may name a key twice, and the order of its rows means nothing.
//!
//! ```text
//! partial  = section (255 section)*
//! section  = version scopes rows
//! version  = 1
//! scopes   = count (service_id pop count (second records)*)*      who, and how many records per second
//! row      = kind scope second name [address] count (counter value)*      to the end of the section
//! ```
//!
//! A row without counters reserves a place: for its domain, or for its service if the name is empty.
//!
//! Texts are a length and UTF-8, `kind`, `counter` and the count before counters one byte each, everything else is
//! LEB128: seven bits a byte, the lowest first.

use crate::counter::Kind;

/// The form that this crate writes, and the only one that it reads.
pub const VERSION: u8 = 1;

/// Stands between two sections, where a row would have its kind.
const SECTION: u8 = 0xFF;

/// Why bytes are no partial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartialError {
    /// Written by another version.
    UnknownVersion(u8),
    /// Cut off or damaged: what is wrong at which byte.
    Damaged(usize),
}

impl std::fmt::Display for PartialError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownVersion(version) => write!(
                out,
                "the partial has version {version} and this is version {VERSION}: upgrade the readers before the writers"
            ),
            Self::Damaged(at) => write!(out, "the partial is damaged at byte {at}"),
        }
    }
}

impl std::error::Error for PartialError {}

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
    pub fn domain(&mut self, kind: Kind, scope: u32, second: u64, name: &str, counters: &[u64]) {
        self.row(kind, scope, second, name, None, counters);
    }

    /// A row of an origin; nothing is written for one without counters.
    pub fn origin(&mut self, kind: Kind, scope: u32, second: u64, name: &str, address: &str, counters: &[u64]) {
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

    fn row(&mut self, kind: Kind, scope: u32, second: u64, name: &str, address: Option<&str>, counters: &[u64]) {
        if counters.iter().all(|value| *value == 0) {
            return;
        }
        self.bytes.push(kind as u8);
        self.number(u64::from(scope));
        self.number(second);
        self.text(name);
        if let Some(address) = address {
            self.text(address);
        }
        write_counters(&mut self.bytes, counters.iter().copied().enumerate());
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

/// Appends `section` to `partial`: what either holds, both hold together.
pub fn join(partial: &mut Vec<u8>, section: &[u8]) {
    if !partial.is_empty() && !section.is_empty() {
        partial.push(SECTION);
    }
    partial.extend_from_slice(section);
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

fn write_number(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

/// One service and POP in a partial.
#[derive(Debug)]
pub struct Scope<'a> {
    /// The service.
    pub service_id: &'a str,
    /// The POP.
    pub pop: &'a str,
    /// How many records of which second it had.
    pub records: Vec<(u64, u64)>,
}

/// One row of a partial.
#[derive(Debug)]
pub struct Row<'a> {
    /// What it counts.
    pub kind: Kind,
    /// Position of its scope.
    pub scope: usize,
    /// Unix second.
    pub second: u64,
    /// The domain, or the name of the origin.
    pub name: &'a str,
    /// The address of the origin; empty for a domain.
    pub address: &'a str,
    /// Its counters, still encoded.
    pub counters: Encoded<'a>,
}

/// Counters as [`write_counters`] wrote them.
#[derive(Debug, Clone, Copy)]
pub struct Encoded<'a>(&'a [u8]);

impl<'a> Encoded<'a> {
    /// Counters that begin at byte `at` of `bytes`, which this crate has written.
    pub(crate) fn at(bytes: &'a [u8], at: usize) -> Self {
        Self(&bytes[at..])
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.first().is_none_or(|count| *count == 0)
    }

    /// How many there are.
    #[inline]
    #[must_use]
    pub fn count(self) -> usize {
        self.0.first().map_or(0, |count| usize::from(*count))
    }

    /// Calls `found` with the place and the value of each.
    #[inline]
    pub fn each(self, mut found: impl FnMut(usize, u64)) {
        let mut reader = Reader { bytes: self.0, at: 0 };
        let Ok(count) = reader.byte() else { return };
        for _ in 0..count {
            let (Ok(place), Ok(value)) = (reader.byte(), reader.number()) else {
                return;
            };
            found(usize::from(place), value);
        }
    }
}

/// A section of a partial that was read as far as its rows.
#[derive(Debug)]
pub struct Section<'a> {
    /// Services and POPs.
    pub scopes: Vec<Scope<'a>>,
    rows: Reader<'a>,
}

/// Reads `bytes` and checks all of them, so that nothing is merged of a partial that is damaged.
pub fn read(bytes: &[u8]) -> Result<Vec<Section<'_>>, PartialError> {
    let mut reader = Reader { bytes, at: 0 };
    let mut sections = vec![];
    loop {
        let section = Section::read(&mut reader)?;
        sections.push(section);
        if reader.at == bytes.len() {
            return Ok(sections);
        }
        reader.at += 1;
    }
}

impl<'a> Section<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, PartialError> {
        match reader.byte()? {
            VERSION => {}
            version => return Err(PartialError::UnknownVersion(version)),
        }
        let mut scopes = vec![];
        for _ in 0..reader.number()? {
            let (service_id, pop) = (reader.text()?, reader.text()?);
            let mut records = vec![];
            for _ in 0..reader.number()? {
                records.push((reader.number()?, reader.number()?));
            }
            scopes.push(Scope { service_id, pop, records });
        }
        let rows = *reader;
        while reader.has_row() {
            reader.row(scopes.len())?;
        }
        Ok(Self { scopes, rows })
    }

    /// Its rows.
    pub fn rows(&self) -> impl Iterator<Item = Result<Row<'a>, PartialError>> {
        let mut reader = self.rows;
        let scopes = self.scopes.len();
        std::iter::from_fn(move || reader.has_row().then(|| reader.row(scopes)))
    }
}

#[derive(Debug, Clone, Copy)]
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    #[cold]
    fn damaged(&self) -> PartialError {
        PartialError::Damaged(self.at)
    }

    /// Whether another row of the section follows.
    fn has_row(&self) -> bool {
        self.bytes.get(self.at).is_some_and(|kind| *kind != SECTION)
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, PartialError> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.damaged())?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    fn number(&mut self) -> Result<u64, PartialError> {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if shift > 63 || (shift == 63 && bits > 1) {
                return Err(self.damaged());
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
            shift += 7;
        }
    }

    fn text(&mut self) -> Result<&'a str, PartialError> {
        let len = usize::try_from(self.number()?).map_err(|_| self.damaged())?;
        let end = self.at.checked_add(len).ok_or_else(|| self.damaged())?;
        let text = self.bytes.get(self.at..end).ok_or_else(|| self.damaged())?;
        self.at = end;
        std::str::from_utf8(text).map_err(|_| self.damaged())
    }

    fn row(&mut self, scopes: usize) -> Result<Row<'a>, PartialError> {
        let kind = *Kind::ALL.get(usize::from(self.byte()?)).ok_or_else(|| self.damaged())?;
        let scope =
            usize::try_from(self.number()?).ok().filter(|scope| *scope < scopes).ok_or_else(|| self.damaged())?;
        let second = self.number()?;
        let name = self.text()?;
        let address = if kind.is_origin() { self.text()? } else { "" };
        let start = self.at;
        for _ in 0..self.byte()? {
            if usize::from(self.byte()?) >= kind.counters() {
                return Err(self.damaged());
            }
            self.number()?;
        }
        Ok(Row { kind, scope, second, name, address, counters: Encoded(&self.bytes[start..self.at]) })
    }
}
