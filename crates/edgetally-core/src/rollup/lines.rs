//! History as newline-delimited JSON, for other programs.

use crate::entry::JsonBuffer;
use crate::rollup::body::Body;
use crate::rollup::columns::{COLUMNS, column_in};
use crate::rollup::container::HistoryPart;
use crate::rollup::error::HistoryError;
use crate::schema::counters::add;
use crate::schema::dataset::Dataset;
use crate::schema::formula::Formula;
use crate::schema::measurements::measurements;

/// The rows of some parts whose periods begin in `start..end`, an object per line: every measurement that can be added up and
/// is not 0. The channel is the row for everything, other datasets are all others.
pub fn history_lines(
    parts: &[(Option<&str>, &[u8])],
    dataset: Dataset,
    service_id: &str,
    start: u64,
    end: u64,
) -> Result<Vec<u8>, HistoryError> {
    let shown: Vec<(String, Vec<u16>)> = measurements(dataset)
        .iter()
        .filter_map(|one| {
            let (name, counters) = match &one.formula {
                Formula::Sum(counters) => (one.name.clone(), &counters[..]),
                Formula::Seconds(counter) => (format!("{}_us", one.name), std::slice::from_ref(counter)),
                _ => return None,
            };
            Some((name, counters.iter().map(|counter| column_in(dataset, *counter)).collect()))
        })
        .collect();
    let name_key = match dataset {
        Dataset::Channel => None,
        Dataset::Domains => Some("domain"),
        Dataset::Origins | Dataset::OriginInsights => Some("host"),
    };
    let mut json = JsonBuffer::default();
    for (name, bytes) in parts {
        let part = HistoryPart::read(*name, bytes)?;
        for (name, body) in part.bodies().filter(|(name, _)| name.is_empty() == name_key.is_none()) {
            let body = Body::read(body, part.head.pops.len())?;
            let mut columns: Vec<Vec<u64>> = vec![vec![]; COLUMNS];
            for column in body.columns() {
                let values = columns.get_mut(usize::from(column)).ok_or(HistoryError::Damaged)?;
                values.resize(body.rows.len(), 0);
                body.read_column(column, |row, value| values[row] = value)?;
            }
            for (row, (pop, period)) in body.rows.iter().enumerate() {
                let begin = part.head.begin(*period);
                if !(start..end).contains(&begin) {
                    continue;
                }
                let line = json.len;
                json.text("{\"service_id\":");
                json.string(service_id);
                json.text(",\"timestamp\":");
                json.integer(begin);
                if let Some(key) = name_key {
                    json.text(",");
                    json.key(key);
                    json.string(name);
                }
                json.text(",\"datacenter\":");
                json.string(part.head.pops[*pop as usize]);
                let mut is_empty = true;
                for (name, counters) in &shown {
                    let mut sum = 0;
                    for column in counters {
                        add(&mut sum, columns[usize::from(*column)].get(row).copied().unwrap_or_default());
                    }
                    if sum != 0 {
                        json.text(",");
                        json.key(name);
                        json.integer(sum);
                        is_empty = false;
                    }
                }
                if is_empty {
                    json.len = line;
                } else {
                    json.text("}\n");
                }
            }
        }
    }
    Ok(json.written().to_vec())
}
