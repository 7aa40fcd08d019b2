//! Parts: partials that are too large for one envelope count when all of their parts are there.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::cluster::envelope::LogPart;
use crate::cluster::id::Id;
use crate::partial::join;

/// Parts whose others have not come yet.
#[derive(Debug, Default)]
pub struct HeldParts {
    ids: HashMap<Id, Vec<Attempt>>,
    bytes: usize,
}

/// The parts that belong together.
#[derive(Debug)]
struct Attempt {
    name: u64,
    count: u64,
    born: u64,
    /// The beat of the first part.
    since: u32,
    parts: BTreeMap<u64, Vec<u8>>,
}

impl HeldParts {
    /// Memory that the parts take, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The earliest second in which parts that are held were made.
    pub fn oldest(&self) -> Option<u64> {
        self.ids.values().flatten().map(|attempt| attempt.born).min()
    }

    /// Adds a part. Returns the whole partial if it was the last one, and forgets every other attempt of `id`.
    pub fn add(&mut self, id: Id, born: u64, part: LogPart<'_>, beat: u32) -> Option<Vec<u8>> {
        let attempts = self.ids.entry(id).or_default();
        let is_same = |one: &Attempt| one.name == part.attempt && one.count == part.count;
        let index = attempts.iter().position(is_same).unwrap_or_else(|| {
            let (name, count) = (part.attempt, part.count);
            attempts.push(Attempt { name, count, born, since: beat, parts: BTreeMap::new() });
            attempts.len() - 1
        });
        let attempt = &mut attempts[index];
        attempt.born = attempt.born.min(born);
        if attempt.parts.insert(part.number, part.partial.to_vec()).is_none() {
            self.bytes += part.partial.len();
        }
        if (attempt.parts.len() as u64) < part.count {
            return None;
        }
        let mut whole = vec![];
        attempt.parts.values().for_each(|part| join(&mut whole, part));
        self.forget(&id);
        Some(whole)
    }

    /// Forgets all parts of an id, which was counted.
    pub fn forget(&mut self, id: &Id) {
        if let Some(attempts) = self.ids.remove(id) {
            self.bytes -= attempts.iter().map(Attempt::bytes).sum::<usize>();
        }
    }

    /// Forgets the attempts that began before this beat.
    pub fn forget_before(&mut self, beat: u32) {
        self.ids.retain(|_, attempts| {
            attempts.retain(|attempt| attempt.since >= beat);
            !attempts.is_empty()
        });
        self.bytes = self.ids.values().flatten().map(Attempt::bytes).sum();
    }
}

impl Attempt {
    fn bytes(&self) -> usize {
        self.parts.values().map(Vec::len).sum()
    }
}
