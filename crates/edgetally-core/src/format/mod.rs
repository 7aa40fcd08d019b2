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
