//! What exists: the fields of a record that come in, the counters inside, the measurements that go out.

pub mod counter;
pub mod field;
pub mod measurement;
pub mod status;
