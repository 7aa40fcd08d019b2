//! Pending: what of the input has not become a record yet.

use crate::fold::Fold;

impl Fold {
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
        let mut bytes = (self.spread.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(&self.spread);
        bytes.append(&mut self.unwrapper.waiting());
        bytes
    }

    /// Continues with what another fold had [`Fold::pending`]. Anything else is ignored.
    pub fn resume(&mut self, pending: &[u8]) {
        self.spread.clear();
        self.unwrapper.take_parts();
        let Some((len, rest)) = pending.split_first_chunk::<8>() else { return };
        let len = usize::try_from(u64::from_le_bytes(*len)).unwrap_or(usize::MAX);
        let Some((spread, waiting)) = rest.split_at_checked(len) else { return };
        (self.spread, self.spread_line) = (spread.to_vec(), 1);
        self.unwrapper.resume(waiting);
    }
}
