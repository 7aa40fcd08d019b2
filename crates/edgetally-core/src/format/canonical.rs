//! The canonical record: every edge that lets its user choose the names of fields writes this.

use super::Layout;

/// See `docs/record.md`.
pub static LAYOUT: Layout = Layout { name: "canonical", and_canonical: true, ..Layout::OF_OBJECTS };
