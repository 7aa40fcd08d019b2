//! Ids of partials.

/// What makes copies of a partial known as such.
pub type Id = [u8; 16];
