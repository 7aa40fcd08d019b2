//! Entries of the channel: measurements of the service without a key.
//!
//! ```json
//! {"recorded":1763769600,
//!  "aggregated":{"requests":3,"hits":2,"miss_histogram":{"40":1}},
//!  "datacenter":{"AMS":{"requests":3,"hits":2,"miss_histogram":{"40":1}}}}
//! ```
//!
//! They are as many as there are POPs, so they are written field by field from the table.

use crate::entry::filter::EntryFilter;
use crate::entry::json_buffer::JsonBuffer;
use crate::schema::dataset::Dataset;
use crate::schema::formula::Measurement;
use crate::schema::measurements::measurements;
use crate::schema::miss_times::ENDS_MS;
use crate::window::channel::{ChannelCounters, ChannelValue};
use crate::window::sealed::Sealed;

/// Digits of the microseconds of a second.
const FRACTION: usize = 6;

/// Writes the entry of the channel.
pub fn write(json: &mut JsonBuffer, sealed: &Sealed, filter: &EntryFilter) {
    let channel = sealed.channel();
    json.text("{\"recorded\":");
    json.integer(sealed.second);
    json.text(",\"aggregated\":");
    let start = json.len;
    object(json, &channel.aggregated, filter);
    let aggregated = start..json.len;
    if !filter.by_pop {
        json.text("}");
        return;
    }
    json.text(",\"datacenter\":{");
    for (number, (pop, counters)) in channel.pops.iter().enumerate() {
        if number > 0 {
            json.text(",");
        }
        json.key(pop);
        if channel.pops.len() == 1 {
            json.repeat(aggregated.clone());
        } else {
            object(json, counters, filter);
        }
    }
    json.text("}}");
}

fn object(json: &mut JsonBuffer, counters: &ChannelCounters, filter: &EntryFilter) {
    json.text("{");
    let mut is_first = true;
    for measurement in measurements(Dataset::Channel) {
        let value = counters.value(&measurement.formula);
        if is_shown(measurement, value) && filter.shows(&measurement.name) {
            if !std::mem::take(&mut is_first) {
                json.text(",");
            }
            json.key(&measurement.name);
            write_value(json, value);
        }
    }
    json.text("}");
}

fn is_shown(measurement: &Measurement, value: ChannelValue<'_>) -> bool {
    measurement.is_always_shown
        || match value {
            ChannelValue::Integer(value) | ChannelValue::Microseconds(value) => value != 0,
            ChannelValue::Ratio(ratio) => ratio > 0.0,
            ChannelValue::Histogram(misses) => misses.iter().any(|count| *count != 0),
        }
}

fn write_value(json: &mut JsonBuffer, value: ChannelValue<'_>) {
    match value {
        ChannelValue::Integer(value) => json.integer(value),
        ChannelValue::Microseconds(value) => {
            json.integer(value / 1_000_000);
            json.text(".");
            let fraction = format!("{:0FRACTION$}", value % 1_000_000);
            let digits = fraction.trim_end_matches('0');
            // As a ratio has a fraction, too, so that a field has one type.
            json.text(if digits.is_empty() { "0" } else { digits });
        }
        ChannelValue::Ratio(ratio) => json.text(zmij::Buffer::new().format_finite(ratio)),
        ChannelValue::Histogram(misses) => {
            json.text("{");
            for (number, (end, count)) in ENDS_MS.iter().zip(misses).filter(|(_, count)| **count != 0).enumerate() {
                json.text(if number == 0 { "\"" } else { ",\"" });
                json.integer(*end);
                json.text("\":");
                json.integer(*count);
            }
            json.text("}");
        }
    }
}
