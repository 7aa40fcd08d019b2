//! The canonical record, for every edge whose log format can be chosen.

use crate::format::spec::FormatSpec;

/// See `docs/record.md`.
pub static FORMAT: FormatSpec = FormatSpec { name: "canonical", has_canonical_fields: true, ..FormatSpec::OBJECTS };
