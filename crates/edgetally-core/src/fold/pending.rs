//! Pending: what of the input has not become a record yet.

use crate::fold::Fold;
use crate::fold::spread_record::SpreadRecord;

/// Stands for the second of a wrapper that says none.
const NO_SECOND: u64 = u64::MAX;

impl Fold {
    /// The number of the last line that has ended, in this input; 0 before the first.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Bytes of the unfinished line.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.unfinished.len().max(self.syslog.pending())
    }

    /// Parts of records whose end has not come yet, as [`Fold::resume`] takes them; empty if there are none. They belong to
    /// the checkpoint of a source that does not send them again.
    #[must_use]
    pub fn pending(&self) -> Vec<u8> {
        if self.spread.is_empty() && !self.unwrapper.is_waiting() {
            return vec![];
        }
        let text = self.spread.text();
        let mut bytes = vec![u8::from(self.spread.is_wrapped)];
        bytes.extend_from_slice(&self.spread.second.unwrap_or(NO_SECOND).to_le_bytes());
        bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text);
        bytes.append(&mut self.unwrapper.waiting());
        bytes
    }

    /// Continues with what another fold had [`Fold::pending`], and forgets the parts that this one has. Anything else is
    /// ignored.
    pub fn resume(&mut self, pending: &[u8]) {
        self.spread = SpreadRecord::default();
        self.unwrapper.take_parts();
        let Some(([is_wrapped], rest)) = pending.split_first_chunk() else { return };
        let Some((second, rest)) = rest.split_first_chunk() else { return };
        let Some((len, rest)) = rest.split_first_chunk() else { return };
        let len = usize::try_from(u64::from_le_bytes(*len)).unwrap_or(usize::MAX);
        let Some((text, waiting)) = rest.split_at_checked(len) else { return };
        let second = Some(u64::from_le_bytes(*second)).filter(|second| *second != NO_SECOND);
        self.spread = SpreadRecord::new(text, 1, *is_wrapped == 1, second);
        self.unwrapper.resume(waiting);
    }
}
