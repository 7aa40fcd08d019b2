//! What exists: the fields of a record that come in, the counters inside, the measurements that go out.

pub mod counters;
pub mod measurements;
pub mod record_fields;
pub mod status;
