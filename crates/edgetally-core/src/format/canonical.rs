//! The canonical record: every edge that lets its user choose the names of fields writes this.

use crate::format::spec::FormatSpec;

/// See `docs/record.md`.
pub static FORMAT: FormatSpec = FormatSpec { name: "canonical", has_canonical_fields: true, ..FormatSpec::OBJECTS };
