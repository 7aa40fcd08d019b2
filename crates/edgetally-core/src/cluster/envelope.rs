//! Envelopes: what stands in one message of the log.
//!
//! ```text
//! envelope = 237 103 version kind (partials | part | seal)
//! version  = 1
//! partials = born (id length partial)+          kind 1
//! part     = born id attempt number count rest  kind 2    one of `count` parts of a partial, numbered from 0
//! seal     = second writer terms                kind 3
//! ```
//!
//! An id has 16 bytes, an attempt 8, the lowest first. Other numbers and texts are as in a partial.

use crate::cluster::id::Id;
use crate::partial::{PartialError, Reader, write_number, write_text};

/// The version that this crate writes and reads.
pub const ENVELOPE_VERSION: u8 = 1;

/// The largest envelope: brokers and clients refuse messages of about 1 MB.
pub const MAX_ENVELOPE_BYTES: usize = 900_000;

/// No text in UTF-8 begins like this.
const MAGIC: [u8; 2] = [237, 103];

const PARTIALS: u8 = 1;
const PART: u8 = 2;
const SEAL: u8 = 3;

/// Why an envelope cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvelopeError {
    /// Another version wrote the envelope.
    UnknownVersion(u8),
    /// The envelope is cut off or damaged at this byte.
    Damaged(usize),
}

impl std::fmt::Display for EnvelopeError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownVersion(version) => write!(
                out,
                "expected an envelope of version {ENVELOPE_VERSION}, got version {version}: upgrade readers before writers"
            ),
            Self::Damaged(at) => write!(out, "envelope damaged at byte {at}"),
        }
    }
}

impl std::error::Error for EnvelopeError {}

impl From<PartialError> for EnvelopeError {
    /// Numbers and texts are read as in a partial.
    fn from(error: PartialError) -> Self {
        match error {
            PartialError::UnknownVersion(_) => Self::Damaged(0),
            PartialError::Damaged(at) => Self::Damaged(at),
        }
    }
}

/// What an envelope holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents<'a> {
    /// Partials with an id each, all made in the second `born`.
    Partials { born: u64, sections: Vec<(Id, &'a [u8])> },
    /// One part of a partial.
    Part { born: u64, id: Id, part: LogPart<'a> },
    /// A seal.
    Seal { second: u64, writer: &'a str, terms: &'a [u8] },
    /// Something that Edgetally did not write.
    Foreign,
}

/// One part of a partial that is too large for an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPart<'a> {
    /// The same for the parts that belong together.
    pub attempt: u64,
    /// Its number, from 0.
    pub number: u64,
    /// How many parts there are.
    pub count: u64,
    /// A partial with some of the rows.
    pub partial: &'a [u8],
}

/// Reads an envelope. The partials in it are not checked.
pub fn read(bytes: &[u8]) -> Result<Contents<'_>, EnvelopeError> {
    if !bytes.starts_with(&MAGIC) {
        return Ok(Contents::Foreign);
    }
    let mut reader = Reader { bytes, at: MAGIC.len() };
    match reader.byte()? {
        ENVELOPE_VERSION => {}
        version => return Err(EnvelopeError::UnknownVersion(version)),
    }
    let contents = match reader.byte()? {
        PARTIALS => {
            let born = reader.number()?;
            let mut sections = vec![];
            while sections.is_empty() || reader.at < bytes.len() {
                sections.push((read_array(&mut reader)?, reader.text_bytes()?));
            }
            Contents::Partials { born, sections }
        }
        PART => {
            let (born, id) = (reader.number()?, read_array(&mut reader)?);
            let attempt = u64::from_le_bytes(read_array(&mut reader)?);
            let (number, count) = (reader.number()?, reader.number()?);
            if number >= count || reader.at == bytes.len() {
                return Err(reader.damaged().into());
            }
            let partial = &bytes[reader.at..];
            reader.at = bytes.len();
            Contents::Part { born, id, part: LogPart { attempt, number, count, partial } }
        }
        SEAL => Contents::Seal { second: reader.number()?, writer: reader.text()?, terms: reader.text_bytes()? },
        _ => return Err(reader.damaged().into()),
    };
    if reader.at < bytes.len() { Err(reader.damaged().into()) } else { Ok(contents) }
}

fn read_array<const N: usize>(reader: &mut Reader<'_>) -> Result<[u8; N], PartialError> {
    let array = *reader.bytes[reader.at..].first_chunk().ok_or_else(|| reader.damaged())?;
    reader.at += N;
    Ok(array)
}

/// The start of an envelope with partials, to which [`add_partial`] adds.
pub fn start_partials(born: u64) -> Vec<u8> {
    start(PARTIALS, born)
}

/// Adds a partial to an envelope.
pub fn add_partial(envelope: &mut Vec<u8>, id: &Id, partial: &[u8]) {
    envelope.extend_from_slice(id);
    write_text(envelope, partial);
}

/// An envelope with one part of a partial.
pub fn part_envelope(born: u64, id: &Id, part: LogPart<'_>) -> Vec<u8> {
    let mut envelope = start(PART, born);
    envelope.extend_from_slice(id);
    envelope.extend_from_slice(&part.attempt.to_le_bytes());
    write_number(&mut envelope, part.number);
    write_number(&mut envelope, part.count);
    envelope.extend_from_slice(part.partial);
    envelope
}

/// An envelope with a seal: every second up to `second` is final, says `writer`, a node with these terms.
#[must_use]
pub fn seal_envelope(second: u64, writer: &str, terms: &[u8]) -> Vec<u8> {
    let mut envelope = start(SEAL, second);
    write_text(&mut envelope, writer.as_bytes());
    write_text(&mut envelope, terms);
    envelope
}

fn start(kind: u8, second: u64) -> Vec<u8> {
    let mut envelope = vec![MAGIC[0], MAGIC[1], ENVELOPE_VERSION, kind];
    write_number(&mut envelope, second);
    envelope
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: Id = [7; 16];

    #[test]
    fn an_envelope_is_these_bytes() {
        let mut partials = start_partials(300);
        add_partial(&mut partials, &ID, b"rows");
        assert_eq!([&[237, 103, 1, 1, 0xAC, 2][..], &ID, b"\x04rows"].concat(), partials);

        let part = LogPart { attempt: 0x0102, number: 1, count: 2, partial: b"rows" };
        let expected = [&[237, 103, 1, 2, 9][..], &ID, &[2, 1, 0, 0, 0, 0, 0, 0, 1, 2], b"rows"].concat();
        assert_eq!(expected, part_envelope(9, &ID, part));
        assert_eq!(Ok(Contents::Part { born: 9, id: ID, part }), read(&expected));

        assert_eq!(b"\xED\x67\x01\x03\x09\x01a\x02\x00\xFF", &*seal_envelope(9, "a", b"\x00\xFF"));
    }

    #[test]
    fn another_version_and_another_writer_are_told_apart() {
        assert_eq!(Err(EnvelopeError::UnknownVersion(2)), read(&[237, 103, 2, 1]));
        assert_eq!(Err(EnvelopeError::Damaged(4)), read(&[237, 103, 1, 9]));
        for foreign in [&b""[..], b"hello", b"\xED", b"{}"] {
            assert_eq!(Ok(Contents::Foreign), read(foreign));
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_and_nothing_shorter_is(
            born: u64,
            sections in prop::collection::vec((any::<Id>(), prop::collection::vec(any::<u8>(), 0..9)), 1..4),
            writer: String,
            terms: Vec<u8>,
        ) {
            let mut envelope = start_partials(born);
            let mut ends = vec![];
            for (id, partial) in &sections {
                add_partial(&mut envelope, id, partial);
                ends.push(envelope.len());
            }
            let sections = sections.iter().map(|(id, partial)| (*id, &**partial)).collect();
            prop_assert_eq!(read(&envelope), Ok(Contents::Partials { born, sections }));
            for end in (MAGIC.len()..envelope.len()).filter(|end| !ends.contains(end)) {
                prop_assert!(matches!(read(&envelope[..end]), Err(EnvelopeError::Damaged(_))));
            }

            let mut seal = seal_envelope(born, &writer, &terms);
            prop_assert_eq!(read(&seal), Ok(Contents::Seal { second: born, writer: &writer, terms: &terms }));
            seal.push(0);
            prop_assert_eq!(read(&seal), Err(EnvelopeError::Damaged(seal.len() - 1)));
        }

        #[test]
        fn any_bytes_are_read_or_an_error(mut bytes: Vec<u8>, kind in 0..5_u8) {
            let _ = read(&bytes);
            bytes.splice(0..0, [237, 103, 1, kind]);
            let _ = read(&bytes);
        }
    }
}
