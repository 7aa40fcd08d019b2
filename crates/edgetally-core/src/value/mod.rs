//! What the bytes of one value mean: a number, a time, a keyword, a key.

pub mod cache_status;
pub mod date;
pub mod key;
pub mod keyword;
pub mod number;
pub mod text;
pub mod timestamp;
