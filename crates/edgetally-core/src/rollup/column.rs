//! A column: one counter of some rows.
//!
//! Rows come in runs, one per POP. A counter of a name in a POP goes up and down around its mean, so a value is coded by how it
//! differs from the mean of those before in its run. What then is left is noise, which nothing makes smaller. Counters that are
//! mostly 0 are coded by the distances between the others.
//!
//! Numbers of variable length, compressed with zstd, take a quarter more space and need a C library.

use crate::rollup::bits::{BitReader, BitWriter, length, shift_for, unzigzag, zigzag};

/// Binary digits of a mean behind the point.
const FRACTION: u32 = 4;
/// Values from here on count as this much in a mean.
const LARGEST: u64 = 1 << 58;

/// The mean of the last values, more or less.
#[derive(Debug, Clone, Copy)]
struct Mean {
    /// Below 2^62, so that differences have a sign.
    scaled: i64,
}

impl Mean {
    #[inline]
    fn from(value: u64) -> Self {
        Self { scaled: scale(value) }
    }

    #[inline]
    #[expect(clippy::cast_sign_loss, reason = "a mean is between values")]
    fn value(self) -> u64 {
        ((self.scaled + (1 << (FRACTION - 1))) >> FRACTION) as u64
    }

    /// Gives `value` a weight of `1 >> shift`.
    #[inline]
    fn add(&mut self, value: u64, shift: u32) {
        self.scaled += (scale(value) - self.scaled) >> shift;
    }
}

#[inline]
#[expect(clippy::cast_possible_wrap, reason = "it is below 2^62")]
fn scale(value: u64) -> i64 {
    (value.min(LARGEST) << FRACTION) as i64
}

/// What is known of a run after its first value.
#[derive(Debug)]
struct Run {
    mean: Mean,
    /// Of how much values differ from the mean.
    spread: Mean,
    count: u32,
}

impl Run {
    #[inline]
    fn new(first: u64) -> Self {
        // As if requests came by chance.
        Self { mean: Mean::from(first), spread: Mean::from(1 << (length(first) / 2)), count: 1 }
    }

    #[inline]
    fn shift(&self) -> u32 {
        shift_for(self.spread.value())
    }

    /// Later values have less weight, down to a sixteenth.
    #[inline]
    fn add(&mut self, value: u64, difference: u64) {
        let shift = u32::BITS - self.count.leading_zeros();
        self.count = (self.count + 1).min(8);
        self.mean.add(value, shift);
        self.spread.add(difference, shift);
    }
}

/// Codes the values of all rows, of which `runs` has the lengths of the runs.
pub fn write(values: &[u64], runs: &[usize]) -> Vec<u8> {
    let used = values.iter().filter(|value| **value != 0).count();
    let dense = write_dense(values, runs);
    if used * 2 > values.len() {
        return dense.finish();
    }
    let sparse = write_sparse(values, used);
    if sparse.len() < dense.len() { sparse.finish() } else { dense.finish() }
}

#[expect(clippy::cast_possible_wrap, reason = "differences wrap around, and back")]
fn write_dense(values: &[u64], runs: &[usize]) -> BitWriter {
    let mut writer = BitWriter::default();
    writer.bits(0, 1);
    let (mut rest, mut before) = (values, 0);
    for len in runs {
        let Some((run, others)) = rest.split_at_checked(*len) else { break };
        rest = others;
        let Some((first, run)) = run.split_first() else { continue };
        writer.long(*first, &mut before);
        let mut known = Run::new(*first);
        for value in run {
            let difference = zigzag(value.wrapping_sub(known.mean.value()) as i64);
            writer.short(difference, known.shift());
            known.add(*value, difference);
        }
    }
    writer
}

fn write_sparse(values: &[u64], used: usize) -> BitWriter {
    let mut writer = BitWriter::default();
    writer.bits(1, 1);
    writer.long(used as u64, &mut 0);
    let (mut next, mut before, mut distances) = (0, 0, Mean::from((values.len() / (used + 1)) as u64));
    for (row, value) in values.iter().enumerate().filter(|(_, value)| **value != 0) {
        let distance = (row - next) as u64;
        writer.short(distance, shift_for(distances.value()));
        distances.add(distance, 3);
        writer.long(value - 1, &mut before);
        next = row + 1;
    }
    writer
}

/// Calls `found` with row and value of each row that is not 0, and of some that are; `None` if `bytes` are damaged.
#[inline]
pub fn read(bytes: &[u8], runs: &[usize], rows: usize, mut found: impl FnMut(usize, u64)) -> Option<()> {
    let mut reader = BitReader::new(bytes);
    if reader.bits(1) == 0 {
        read_dense(&mut reader, runs, &mut found);
    } else {
        read_sparse(&mut reader, rows, &mut found)?;
    }
    reader.is_within().then_some(())
}

#[inline]
#[expect(clippy::cast_sign_loss, reason = "differences wrap around, and back")]
fn read_dense(reader: &mut BitReader<'_>, runs: &[usize], found: &mut impl FnMut(usize, u64)) {
    let (mut row, mut before) = (0, 0);
    for len in runs {
        let first = reader.long(&mut before);
        found(row, first);
        let mut known = Run::new(first);
        for row in row + 1..row + len {
            let difference = reader.short(known.shift());
            let value = known.mean.value().wrapping_add(unzigzag(difference) as u64);
            known.add(value, difference);
            found(row, value);
        }
        row += len;
    }
}

#[inline]
fn read_sparse(reader: &mut BitReader<'_>, rows: usize, found: &mut impl FnMut(usize, u64)) -> Option<()> {
    let used = usize::try_from(reader.long(&mut 0)).ok().filter(|used| *used <= rows)?;
    let (mut next, mut before, mut distances) = (0_usize, 0, Mean::from((rows / (used + 1)) as u64));
    for _ in 0..used {
        let distance = reader.short(shift_for(distances.value()));
        distances.add(distance, 3);
        let row = next.checked_add(usize::try_from(distance).ok()?).filter(|row| *row < rows)?;
        found(row, reader.long(&mut before).wrapping_add(1));
        next = row + 1;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = u64> {
        prop_oneof![3 => Just(0), 1 => (any::<u64>(), 0..64_u32).prop_map(|(value, smaller)| value >> smaller)]
    }

    proptest! {
        #[test]
        fn values_are_read_as_they_were_written(runs in prop::collection::vec(prop::collection::vec(value(), 1..20), 1..5)) {
            let lens: Vec<_> = runs.iter().map(Vec::len).collect();
            let values = runs.concat();
            let bytes = write(&values, &lens);
            let mut got = vec![0; values.len()];
            prop_assert_eq!(Some(()), read(&bytes, &lens, values.len(), |row, value| got[row] = value));
            prop_assert_eq!(values, got);
        }

        #[test]
        fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..40), runs in prop::collection::vec(1..20_usize, 0..5)) {
            let rows = runs.iter().sum();
            read(&bytes, &runs, rows, |row, _| assert!(row < rows));
        }
    }
}
