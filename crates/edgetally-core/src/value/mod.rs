//! What the bytes of one value mean: numbers, times, keywords, keys.

pub mod cache_status;
pub mod key;
pub mod keyword;
pub mod number;
pub mod text;
pub mod timestamp;
