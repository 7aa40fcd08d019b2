//! Rows of counters, as a database keeps them: written as lines of JSON, read back as sums.
//!
//! A row is one name in one POP and one period. Its counters are two lists: the numbers of the columns that are not 0, and
//! their values. Sums are read in two halves of 32 bits, because a database adds without noticing that 64 are not enough.

use std::collections::BTreeMap;

use crate::entry::JsonBuffer;
use crate::rollup::body::Body;
use crate::rollup::bytes::Bytes;
use crate::rollup::columns::COLUMNS;
use crate::rollup::container::{Head, HistoryPart, write_chunk};
use crate::rollup::error::HistoryError;
use crate::rollup::name_sum::NameSum;

/// The counters of some parts, a JSON object per line: `members`, then `name`, `time`, `pop`, `counters.id` and
/// `counters.value`.
pub fn counter_rows(parts: &[(Option<&str>, &[u8])], members: &str) -> Result<Vec<u8>, HistoryError> {
    let mut json = JsonBuffer::default();
    for (name, bytes) in parts {
        let part = HistoryPart::read(*name, bytes)?;
        for (name, body) in part.bodies() {
            let body = Body::read(body, part.head.pops.len())?;
            let mut counters: Vec<Vec<(u16, u64)>> = vec![vec![]; body.rows.len()];
            for column in body.columns() {
                body.read_column(column, |row, value| {
                    if value != 0 {
                        counters[row].push((column, value));
                    }
                })?;
            }
            for ((pop, period), counters) in body.rows.iter().zip(&counters).filter(|(_, some)| !some.is_empty()) {
                json.text("{");
                json.text(members);
                json.text(",\"name\":");
                json.string(name);
                json.text(",\"time\":");
                json.integer(part.head.begin(*period));
                json.text(",\"pop\":");
                json.string(part.head.pops[*pop as usize]);
                json.text(",\"counters.id\":");
                write_list(&mut json, counters.iter().map(|(column, _)| u64::from(*column)));
                json.text(",\"counters.value\":");
                write_list(&mut json, counters.iter().map(|(_, value)| *value));
                json.text("}\n");
            }
        }
    }
    Ok(json.written().to_vec())
}

fn write_list(json: &mut JsonBuffer, values: impl Iterator<Item = u64>) {
    let mut before = "[";
    for value in values {
        json.text(before);
        json.integer(value);
        before = ",";
    }
    json.text("]");
}

/// Sums that a database has made: a chunk of each name, in alphabetical order. Periods have `step` seconds.
///
/// ```text
/// row  = name pop time half half      the second at which the period begins, in 4 bytes; the low and the high 32 bits
/// half = count column* count sum*     in 2 and in 8 bytes
/// ```
///
/// Texts and counts are as in `RowBinary`: a length in LEB128 first. All numbers begin with their lowest byte.
pub fn summed_chunks(bytes: &[u8], step: u64) -> Result<Vec<(String, Vec<u8>)>, HistoryError> {
    let step = step.max(1);
    let mut reader = Bytes::new(bytes, 0);
    let mut names: BTreeMap<&str, Vec<SummedRow<'_>>> = BTreeMap::new();
    while !reader.is_end() {
        let (name, pop) = (reader.text()?, reader.text()?);
        let time = u64::from(u32::from_le_bytes(fixed(&mut reader)?));
        let mut counters = BTreeMap::new();
        for shift in [0, 32] {
            for (column, sum) in read_half(&mut reader)? {
                let known = counters.entry(column).or_insert(0_u128);
                *known = known.saturating_add(u128::from(sum) << shift);
            }
        }
        if !counters.is_empty() {
            names.entry(name).or_default().push(SummedRow { pop, period: time / step, counters });
        }
    }
    let mut sum = NameSum::default();
    names.into_iter().map(|(name, rows)| Ok((name.to_owned(), chunk_of(&mut sum, &rows, step)?))).collect()
}

/// A row that was read.
struct SummedRow<'a> {
    pop: &'a str,
    period: u64,
    counters: BTreeMap<u16, u128>,
}

fn chunk_of(sum: &mut NameSum, rows: &[SummedRow<'_>], step: u64) -> Result<Vec<u8>, HistoryError> {
    let mut pops: Vec<&str> = rows.iter().map(|row| row.pop).collect();
    pops.sort_unstable();
    pops.dedup();
    let first = rows.iter().map(|row| row.period).min().unwrap_or_default();
    let narrow = |number: u64| u32::try_from(number).map_err(|_| HistoryError::Damaged);
    let keys = rows.iter().map(|row| {
        let pop = pops.partition_point(|other| *other < row.pop) as u64;
        Ok((narrow(pop)?, narrow(row.period - first)?))
    });
    let keys = keys.collect::<Result<Vec<_>, HistoryError>>()?;
    sum.start(keys.iter().copied());
    for (key, row) in keys.iter().zip(rows) {
        let at = sum.place(*key);
        for (column, value) in &row.counters {
            sum.add(at, *column, u64::try_from(*value).unwrap_or(u64::MAX));
        }
    }
    Ok(write_chunk(&Head { step, first, pops }, &sum.finish()))
}

fn read_half(reader: &mut Bytes<'_>) -> Result<Vec<(u16, u64)>, HistoryError> {
    let count = reader.len()?;
    let columns =
        (0..count).map(|_| Ok(u16::from_le_bytes(fixed(reader)?))).collect::<Result<Vec<_>, HistoryError>>()?;
    if reader.len()? != count || columns.iter().any(|column| usize::from(*column) >= COLUMNS) {
        return Err(HistoryError::Damaged);
    }
    columns.into_iter().map(|column| Ok((column, u64::from_le_bytes(fixed(reader)?)))).collect()
}

fn fixed<const N: usize>(reader: &mut Bytes<'_>) -> Result<[u8; N], HistoryError> {
    reader.take(N)?.try_into().map_err(|_| HistoryError::Damaged)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rollup::adding::pack;
    use crate::rollup::body::NameRows;

    fn text(bytes: &mut Vec<u8>, text: &str) {
        bytes.push(u8::try_from(text.len()).expect("short"));
        bytes.extend_from_slice(text.as_bytes());
    }

    fn half(bytes: &mut Vec<u8>, counters: &[(u16, u64)]) {
        bytes.push(u8::try_from(counters.len()).expect("few"));
        bytes.extend(counters.iter().flat_map(|(column, _)| column.to_le_bytes()));
        bytes.push(u8::try_from(counters.len()).expect("few"));
        bytes.extend(counters.iter().flat_map(|(_, value)| value.to_le_bytes()));
    }

    fn row(name: &str, time: u32, low: &[(u16, u64)], high: &[(u16, u64)]) -> Vec<u8> {
        let mut bytes = vec![];
        text(&mut bytes, name);
        text(&mut bytes, "AMS");
        bytes.extend_from_slice(&time.to_le_bytes());
        half(&mut bytes, low);
        half(&mut bytes, high);
        bytes
    }

    fn lines(chunks: &[(String, Vec<u8>)]) -> String {
        let parts: Vec<_> = chunks.iter().map(|(name, chunk)| (Some(name.as_str()), chunk.as_slice())).collect();
        String::from_utf8(counter_rows(&parts, "\"service\":\"svc\"").expect("it was written here")).expect("JSON")
    }

    #[test]
    fn halves_are_added_up_and_stop_at_the_largest_number() {
        let most = (1 << 32) - 1;
        let bytes = [
            row("b", 180, &[(0, most), (5, 7)], &[(0, most)]),
            row("a", 120, &[(5, 1)], &[(5, 1 << 40)]),
            row("b", 181, &[(5, 1 << 33)], &[]),
            row("empty", 120, &[], &[]),
        ]
        .concat();
        let chunks = summed_chunks(&bytes, 60).expect("these are rows");
        let want = "{\"service\":\"svc\",\"name\":\"a\",\"time\":120,\"pop\":\"AMS\",\
                    \"counters.id\":[5],\"counters.value\":[18446744073709551615]}\n\
                    {\"service\":\"svc\",\"name\":\"b\",\"time\":180,\"pop\":\"AMS\",\
                    \"counters.id\":[0,5],\"counters.value\":[18446744073709551615,8589934599]}\n";
        assert_eq!(want, lines(&chunks));
    }

    #[test]
    fn names_are_escaped() {
        let rows = NameRows { rows: vec![(0, 0)], columns: vec![(1, vec![2])] };
        let chunk = write_chunk(&Head { step: 60, first: 2, pops: vec!["A\"\\"] }, &rows);
        let line = lines(&[("\u{0}\n\u{1F600}".to_owned(), chunk)]);
        assert!(line.contains(r#""name":"\u0000\u000a😀","time":120,"pop":"A\"\\""#), "{line}");
    }

    proptest! {
        #[test]
        fn what_is_summed_here_and_there_is_the_same(
            rows in prop::collection::vec(("[ab]{0,2}", 0..500_u32, 0..9_u16, any::<u64>()), 0..20),
        ) {
            let each = rows.iter().map(|(name, time, column, value)| {
                row(name, *time, &[(*column, value & 0xFFFF_FFFF)], &[(*column, value >> 32)])
            });
            let each: Vec<_> = each.collect();
            let once = summed_chunks(&each.concat(), 60).expect("these are rows");
            let chunks: Vec<_> = each.iter().flat_map(|one| summed_chunks(one, 60).expect("this is a row")).collect();
            let parts: Vec<_> = chunks.iter().map(|(name, chunk)| (Some(name.as_str()), chunk.as_slice())).collect();
            prop_assert_eq!(lines(&pack(&parts, 60, 100).expect("chunks add up")), lines(&once));
        }

        #[test]
        fn any_bytes_are_rows_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = summed_chunks(&bytes, 60);
        }

        #[test]
        fn what_is_cut_off_is_an_error(cut in 1..30_usize) {
            let bytes = row("name", 60, &[(1, 2)], &[(1, 2)]);
            prop_assert!(summed_chunks(&bytes[..bytes.len() - cut], 60).is_err());
        }
    }
}
