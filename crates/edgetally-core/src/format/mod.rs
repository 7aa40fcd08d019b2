//! Formats: how each server writes its lines.
//!
//! One file describes one format, as a [`FormatSpec`]: which of the server's own keys fill which slots of
//! [`crate::schema::record_fields`], and how a record is corrected where the server's fields alone would mislead. To add a
//! format, add a file here and its name to [`registry`].

mod caddy;
mod canonical;
mod cloudflare;
mod cloudfront;
pub mod compressed;
pub mod detect;
mod error;
pub mod foreign;
pub mod other_log;
mod registry;
mod spec;
mod traefik;

use std::fmt;

pub use crate::format::error::FormatError;

use crate::decode::columns::Columns;
use crate::decode::key_tree::KeyTree;
use crate::decode::slots::Slots;
use crate::decode::{Decoder, Shape};
use crate::format::registry::FORMATS;
use crate::format::spec::FormatSpec;
use crate::record::Record;
use crate::schema::record_fields::{self as field, SKIP, STATUS};

/// A format, ready to decode lines and to correct records.
#[derive(Clone)]
pub struct Format {
    spec: &'static FormatSpec,
    shape: Shape,
}

impl Format {
    /// The format `name`. A colon and a list choose its columns, if it has any: `cloudfront:timestamp,sc-status`.
    pub fn named(name: &str) -> Result<Self, FormatError> {
        let (name, chosen) = name.split_once(':').map_or((name, None), |(name, chosen)| (name, Some(chosen)));
        let spec = FORMATS.into_iter().find(|spec| spec.name == name);
        let spec = spec.ok_or_else(|| FormatError::Unknown(name.to_owned()))?;
        let shape = match chosen {
            None if spec.columns.is_empty() => Shape::Objects(KeyTree::new(spec.fields, spec.has_canonical_fields)),
            None => Shape::Columns(columns(spec, spec.columns.iter().copied())?),
            Some(_) if spec.columns.is_empty() => return Err(FormatError::WithoutColumns(spec.name)),
            Some(chosen) => Shape::Columns(columns(spec, chosen.split(',').map(str::trim))?),
        };
        Ok(Self { spec, shape })
    }

    /// The names of all formats.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FORMATS.iter().map(|spec| spec.name)
    }

    /// Where a line has what, and the field of a record that it fills; empty if it only corrects other fields.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let fields = self.spec.fields.iter().filter(|(_, slot)| *slot != SKIP);
        fields.map(|(path, slot)| (*path, field::name(*slot)))
    }

    /// A decoder of lines in this format.
    pub(crate) fn decoder(&self) -> Decoder {
        Decoder::new(self.shape.clone())
    }

    /// Whether lines are values between tabs and not objects.
    pub(crate) fn has_columns(&self) -> bool {
        matches!(self.shape, Shape::Columns(_))
    }

    /// Whether the server sends `line` only to test the connection.
    pub(crate) fn is_test_line(&self, line: &[u8]) -> bool {
        !line.is_empty() && line == self.spec.test_line
    }

    /// Whether the line with these slots belongs to another log of the server.
    #[inline]
    pub(crate) fn is_other_log(&self, slots: &Slots, block: &[u8]) -> bool {
        self.spec.is_other_log.is_some_and(|is_other_log| is_other_log(slots, block))
    }

    /// Corrects `record`, which was read from `slots`, by what the server is known to write.
    #[inline]
    pub(crate) fn correct(&self, record: &mut Record<'_>, slots: &Slots, block: &[u8]) {
        if let Some(correct) = self.spec.correct {
            correct(record, slots, block);
        }
    }
}

/// The columns of the fields `chosen`; `-` is a column to ignore.
fn columns<'a>(spec: &FormatSpec, chosen: impl Iterator<Item = &'a str>) -> Result<Columns, FormatError> {
    let slot = |column: &str| match spec.fields.iter().find(|(name, _)| *name == column) {
        Some((_, slot)) => Ok(*slot),
        None if column == "-" => Ok(SKIP),
        None => Err(FormatError::UnknownColumn { format: spec.name, column: column.to_owned() }),
    };
    let slots = chosen.map(slot).collect::<Result<Vec<_>, _>>()?;
    if slots.contains(&STATUS) {
        return Ok(Columns::new(slots));
    }
    let status = spec.fields.iter().find(|(_, slot)| *slot == STATUS).map_or("", |(name, _)| name);
    Err(FormatError::WithoutStatus { format: spec.name, column: status })
}

impl Default for Format {
    fn default() -> Self {
        Self { spec: &canonical::FORMAT, shape: Shape::default() }
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Format({})", self.spec.name)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::record::extras::extras;
    use crate::record::{record, second, weight};

    /// Lines as these servers write them, two of each: one that is learned, and one with other values.
    const LINES: [(&str, [&str; 2]); 3] = [
        (
            "caddy",
            [
                r#"{"level":"info","ts":1795314035.444,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"192.0.2.7","remote_port":"58966","proto":"HTTP/1.1","method":"GET","host":"a.example","uri":"/","headers":{"User-Agent":["Mozilla/5.0 (X11; {Linux} x86_64) \\\\AppleWebKit/537.36"],"Accept":["*/*"]},"tls":{"resumed":false,"version":772,"proto":"h2"}},"bytes_read":0,"user_id":"","duration":0.004234589,"size":14070,"status":200,"resp_headers":{"Server":["Caddy"],"Etag":["\"d6i5kq4\""],"X-Edgetally-Origin-Addr":["10.0.0.1:80"]}}"#,
                r#"{"level":"info","ts":1795314036.5,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"2001:db8::7","remote_port":"1","proto":"HTTP/2.0","method":"GET","host":"b.example","uri":"/b","headers":{},"tls":{"resumed":true,"version":771,"proto":""}},"bytes_read":12,"user_id":"","duration":12.5,"size":0,"status":304,"resp_headers":{"Etag":["W/\"\""]}}"#,
            ],
        ),
        (
            "traefik",
            [
                r#"{"ClientHost":"192.0.2.7","ClientUsername":"-","DownstreamContentSize":14070,"DownstreamStatus":200,"Duration":1004234589,"OriginContentSize":11,"OriginStatus":502,"RequestHost":"a.example","RequestPath":"/a/path/that/is/longer/than/32/bytes","RequestProtocol":"HTTP/1.1","RouterName":"site@file","ServiceAddr":"10.0.2.6:8080","ServiceName":"origin","StartUTC":"2026-11-22T02:20:35.444000123Z","TLSVersion":"1.3","level":"info","time":"2026-11-22T02:20:35Z"}"#,
                r#"{"ClientHost":"2001:db8::7","ClientUsername":"-","DownstreamContentSize":0,"DownstreamStatus":499,"Duration":700,"OriginContentSize":0,"OriginStatus":0,"RequestHost":"b.example","RequestPath":"/","RequestProtocol":"HTTP/2.0","RouterName":"ping@internal","ServiceAddr":"","ServiceName":"","StartUTC":"2026-11-22T02:20:36Z","TLSVersion":"1.2","level":"info","time":"2026-11-22T02:20:36Z"}"#,
            ],
        ),
        (
            "cloudflare",
            [
                r#"{"CacheCacheStatus":"miss","ClientIP":"192.0.2.7","ClientRequestHost":"a.example","ClientRequestSource":"eyeball","ClientSSLProtocol":"TLSv1.3","EdgeEndTimestamp":1795314035444000123,"EdgeResponseBytes":14070,"EdgeResponseStatus":200,"EdgeTimeToFirstByteMs":12,"OriginIP":"10.0.2.6","OriginResponseHeaderReceiveDurationMs":66,"OriginResponseStatus":200,"RayID":"7d1c1e2b3a4f5e6d"}"#,
                r#"{"CacheCacheStatus":"hit","ClientIP":"2001:db8::7","ClientRequestHost":"b.example","ClientRequestSource":"edgeWorkerFetch","ClientSSLProtocol":"none","EdgeEndTimestamp":1795314036444000123,"EdgeResponseBytes":0,"EdgeResponseStatus":304,"EdgeTimeToFirstByteMs":1,"OriginIP":"","OriginResponseHeaderReceiveDurationMs":0,"OriginResponseStatus":0,"RayID":""}"#,
            ],
        ),
    ];

    /// Everything that is read of a line, or why it is rejected.
    fn read(format: &Format, decoder: &mut Decoder, block: &[u8], line: Range<usize>) -> String {
        if let Err(rejection) = decoder.decode(block, line) {
            return format!("{rejection:?}");
        }
        read_decoded(format, decoder, block)
    }

    fn read_decoded(format: &Format, decoder: &Decoder, block: &[u8]) -> String {
        let slots = &decoder.record;
        let mut record = record(slots, &decoder.elements, block);
        if let Ok(record) = &mut record {
            format.correct(record, slots, block);
        }
        let texts: Vec<_> =
            (0..SKIP).map(|slot| String::from_utf8_lossy(slots.text(block, slot)).into_owned()).collect();
        let (other, extras) = (format.is_other_log(slots, block), extras(slots, block));
        let record = record.map_err(|rejection| rejection.reason);
        let second = second(slots, block).map_err(|rejection| rejection.reason);
        let weight = weight(slots, block, 1).map_err(|rejection| rejection.reason);
        format!("{other} {second:?} {weight:?} {extras:?} {record:?} {texts:?}")
    }

    /// The lines that differ from `line` in one place.
    fn damaged(line: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        let edits =
            b"\"\\,}{:7 ".iter().map(|byte| (1, Some(*byte))).chain([(0, Some(b'"')), (0, Some(b'7')), (1, None)]);
        edits.flat_map(move |(removed, put)| {
            (0..line.len()).map(move |at| [&line[..at], put.as_slice(), &line[at + removed..]].concat())
        })
    }

    #[test]
    fn a_line_that_differs_in_any_byte_is_read_like_one_that_nothing_like_it_was_learned_from() {
        for (name, [line, other]) in LINES {
            let format = Format::named(name).expect("the format exists");
            let mut learned = format.decoder();
            for line in [line, other].map(str::as_bytes) {
                for damaged in damaged(line) {
                    let want = read(&format, &mut format.decoder(), &damaged, 0..damaged.len());
                    // Values are read on the spot only if enough bytes follow.
                    let block = [&damaged[..], b"\n", line].concat();
                    let got = read(&format, &mut learned, &block, 0..damaged.len());
                    assert_eq!(want, got, "{name}: {}", String::from_utf8_lossy(&damaged));
                    read(&format, &mut learned, &block, damaged.len() + 1..block.len());
                }
            }
        }
    }

    #[test]
    fn a_line_in_a_string_is_read_like_the_line_itself_or_not_at_all() {
        for (name, [line, other]) in LINES {
            let format = Format::named(name).expect("the format exists");
            for line in [line, other].map(|line| line.replace('\\', "/").into_bytes()) {
                let block = [&line[..], &[b' '; 64]].concat();
                let mut known = 0;
                for damaged in damaged(&line).filter(|line| !line.contains(&b'\\')) {
                    let mut learned = format.decoder();
                    read(&format, &mut learned, &block, 0..line.len());
                    let escaped = String::from_utf8_lossy(&damaged).replace('"', "\\\"").into_bytes();
                    let block = [&escaped[..], &[b' '; 64]].concat();
                    if learned.decode_escaped(&block, 0..escaped.len()) == Some(escaped.len()) {
                        let want = read(&format, &mut format.decoder(), &damaged, 0..damaged.len());
                        let got = read_decoded(&format, &learned, &block);
                        assert_eq!(want, got, "{name}: {}", String::from_utf8_lossy(&damaged));
                        known += 1;
                    }
                }
                assert!(known > 100, "{name}: {known}");
            }
        }
    }
}
