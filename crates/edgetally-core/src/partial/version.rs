//! The version of partials.

/// The version that this crate writes. It reads all before, too: a new version adds kinds of rows and counters, and leaves
/// the others as they are.
pub const VERSION: u8 = 2;
