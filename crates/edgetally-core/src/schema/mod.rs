//! What exists: the fields of a record that come in, the counters inside, the measurements that go out.

mod channel_measurements;
pub mod counters;
pub mod dataset;
pub mod formula;
mod measurement_builder;
pub mod measurements;
pub mod miss_times;
pub mod record_fields;
pub mod status;
