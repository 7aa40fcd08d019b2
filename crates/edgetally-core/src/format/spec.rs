//! What describes a format: a table of fields, and what else its server is known to write.

use crate::decode::slots::Slots;
use crate::record::Record;

/// How one server writes its lines. A field that it does not log stays absent.
pub struct FormatSpec {
    /// The name of the format.
    pub name: &'static str,
    /// Where a line has what, and the slot that it fills. `a>b` is the key `b` of the object `a`; `a[b]` is the first value
    /// of the header `b` in `a`, an object of lists.
    pub fields: &'static [(&'static str, usize)],
    /// Whether lines may have the fields of a canonical record, too.
    pub has_canonical_fields: bool,
    /// The columns of a line by default, if lines are values between tabs and not objects.
    pub columns: &'static [&'static str],
    /// A line that the server sends to test the connection: not a record, and not rejected either.
    pub test_line: &'static [u8],
    /// Whether these slots belong to a line of another log of the server: its errors, or its own health checks.
    pub is_other_log: Option<fn(&Slots, &[u8]) -> bool>,
    /// Corrects a record that was read from these slots.
    pub correct: Option<fn(&mut Record<'_>, &Slots, &[u8])>,
}

impl FormatSpec {
    /// A format of objects without fields, to be filled in.
    pub const OBJECTS: Self = Self {
        name: "",
        fields: &[],
        has_canonical_fields: false,
        columns: &[],
        test_line: &[],
        is_other_log: None,
        correct: None,
    };
}
