//! What every reader makes of one partition of the log.

use crate::cluster::copies::Copies;
use crate::cluster::envelope::{self, Contents, EnvelopeError};
use crate::cluster::id::Id;
use crate::cluster::parts::HeldParts;
use crate::cluster::refusal::{MAX_AHEAD, Refusal};
use crate::cluster::seals::EffectiveSeals;
use crate::partial::join;

/// For how many beats beyond the horizon an id is remembered: the clock of a writer may be 5 seconds ahead, and those of two
/// brokers 10 seconds apart.
const MORE_MEMORY: u32 = 15;

/// How many beats more a reader reads before it relies on its memory. Within these, the clocks of its brokers have passed
/// what earlier readers saw.
const MORE_BEATS: u32 = 11;

/// Which partials of a partition count, and how far its seals reach.
///
/// A pure function of envelopes and their append times, in the order of the log. A reader that begins in the middle agrees
/// with those that began earlier as soon as [`LogReader::missing`] is 0.
#[derive(Debug)]
pub struct LogReader {
    horizon: u64,
    is_beginning: bool,
    is_merging: bool,
    /// The second of the first append time.
    first: Option<u64>,
    copies: Copies,
    memory: u32,
    held: HeldParts,
    seals: EffectiveSeals,
}

/// What is to be done with one envelope.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What is to be merged; empty if nothing.
    pub partial: Vec<u8>,
    /// The seal, if it is one.
    pub seal: Option<LogSeal>,
    /// How many partials in it were counted before.
    pub copies: usize,
    /// How many partials in it are refused.
    pub refused: usize,
    /// Whether something else than Edgetally wrote it.
    pub is_foreign: bool,
}

/// A seal in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSeal {
    /// The second that its writer said.
    pub second: u64,
    /// The second up to which all is sealed now.
    pub effective: u64,
    /// Whether it reaches further than all before.
    pub is_news: bool,
    /// The node that wrote it.
    pub writer: String,
    /// A digest of the terms of its writer.
    pub terms: Vec<u8>,
}

impl LogReader {
    /// Starts with nothing read. If it `is_beginning`, nothing was ever appended before what is read first, and it merges from
    /// there; otherwise it only follows ids and seals until [`LogReader::start_merging`].
    #[must_use]
    pub fn new(horizon: u32, aggregate_delay: u64, is_beginning: bool) -> Self {
        let memory = horizon.saturating_add(MORE_MEMORY);
        Self {
            horizon: u64::from(horizon),
            is_beginning,
            is_merging: is_beginning,
            first: None,
            copies: Copies::new(memory),
            memory,
            held: HeldParts::default(),
            seals: EffectiveSeals::new(aggregate_delay),
        }
    }

    /// Reads the next envelope: all of it, or nothing if it is damaged or another version wrote it.
    pub fn read(&mut self, envelope: &[u8], appended: u64) -> Result<Reading, EnvelopeError> {
        let contents = envelope::read(envelope)?;
        self.first.get_or_insert(appended / 1000);
        self.seals.advance(appended);
        let mut reading = Reading::default();
        match contents {
            Contents::Partials { born, sections } => {
                if Refusal::of(born, appended, self.horizon).is_some() {
                    reading.refused = sections.len();
                    return Ok(reading);
                }
                for (id, partial) in sections {
                    if self.copies.is_copy(&id) {
                        reading.copies += 1;
                        continue;
                    }
                    self.copies.count(id);
                    self.held.forget(&id);
                    if self.is_merging {
                        join(&mut reading.partial, partial);
                    }
                }
            }
            Contents::Part { born, id, part } => {
                if Refusal::of(born, appended, self.horizon).is_some() {
                    reading.refused = 1;
                } else if self.copies.is_copy(&id) {
                    reading.copies = 1;
                } else if let Some(whole) = self.held.add(id, born, part, self.copies.beats()) {
                    self.copies.count(id);
                    if self.is_merging {
                        reading.partial = whole;
                    }
                }
            }
            Contents::Seal { second, writer, terms } => {
                if self.seals.is_beat() {
                    self.copies.advance();
                    // All parts of an attempt are in time within one memory.
                    self.held.forget_before(self.copies.beats().saturating_sub(self.memory.saturating_mul(2)));
                }
                let is_news = self.seals.seal(second);
                let effective = self.seals.effective().unwrap_or_default();
                let (writer, terms) = (writer.to_owned(), terms.to_vec());
                reading.seal = Some(LogSeal { second, effective, is_news, writer, terms });
            }
            Contents::Foreign => reading.is_foreign = true,
        }
        Ok(reading)
    }

    /// From here on, partials that count are returned. A row lies at most `ahead` seconds after its append.
    ///
    /// Returns the second after which entries are complete: nothing that was appended before adds to later ones.
    pub fn start_merging(&mut self, ahead: u64) -> u64 {
        self.is_merging = true;
        if self.is_beginning {
            return 0;
        }
        (self.seals.appended() / 1000).saturating_add(1).saturating_add(ahead).saturating_add(MAX_AHEAD)
    }

    /// Whether partials that count are returned.
    #[must_use]
    pub fn is_merging(&self) -> bool {
        self.is_merging
    }

    /// Whether a partial with this id was counted, and is not forgotten.
    #[must_use]
    pub fn has(&self, id: &Id) -> bool {
        self.copies.has(id)
    }

    /// How many beats it has to read before it recognises every copy.
    #[must_use]
    pub fn needed(&self) -> u32 {
        self.memory.saturating_add(MORE_BEATS)
    }

    /// How many seconds earlier it should have begun to recognise every copy; 0 if it does.
    #[must_use]
    pub fn missing(&self) -> u64 {
        if self.is_beginning {
            return 0;
        }
        let beats = u64::from(self.needed().saturating_sub(self.copies.beats()));
        // Parts may lie before the beginning if they were made before it, or just after by a clock that is ahead.
        let first = self.first.unwrap_or_default().saturating_add(MAX_AHEAD + 1);
        let parts = self.held.oldest().map_or(0, |born| first.saturating_sub(born));
        beats.max(if parts > 0 { parts + MAX_AHEAD } else { 0 })
    }

    /// The second up to which all is sealed.
    #[must_use]
    pub fn effective(&self) -> Option<u64> {
        self.seals.effective()
    }

    /// The latest append time in milliseconds; 0 before the first.
    #[must_use]
    pub fn appended(&self) -> u64 {
        self.seals.appended()
    }

    /// How many ids are remembered.
    #[must_use]
    pub fn ids(&self) -> usize {
        self.copies.len()
    }

    /// Memory of parts whose others have not come yet, in bytes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::envelope::{LogPart, part_envelope, seal_envelope};

    const HORIZON: u32 = 5;
    const ID: Id = [1; 16];

    /// Reads a seal in each of these seconds.
    fn read_seals(reader: &mut LogReader, seconds: std::ops::Range<u64>) {
        for second in seconds {
            reader.read(&seal_envelope(second - 2, "", b""), second * 1000).expect("it is an envelope");
        }
    }

    fn part(number: u64, born: u64) -> Vec<u8> {
        part_envelope(born, &ID, LogPart { attempt: 1, number, count: 2, partial: b"rows" })
    }

    #[test]
    fn a_reader_has_to_begin_before_the_parts_that_it_has_not_all_of() {
        // The first part stands before the beginning.
        let mut reader = LogReader::new(HORIZON, 2, false);
        read_seals(&mut reader, 1000..1001);
        reader.read(&part(1, 999), 1_001_000).expect("it is an envelope");
        read_seals(&mut reader, 1002..1034);
        let missing = reader.missing();
        assert!(missing > 0 && 1000 - missing < 999 - MAX_AHEAD, "{missing}");

        let mut reader = LogReader::new(HORIZON, 2, false);
        read_seals(&mut reader, 1000 - missing..1000);
        reader.read(&part(0, 999), 999_000).expect("it is an envelope");
        reader.read(&part(1, 999), 1_001_000).expect("it is an envelope");
        read_seals(&mut reader, 1002..1034);
        assert_eq!(0, reader.missing());
    }

    #[test]
    fn parts_that_never_come_do_not_keep_a_reader_waiting() {
        // It was made long after the beginning, so no part of it can stand before.
        let mut reader = LogReader::new(HORIZON, 2, false);
        read_seals(&mut reader, 1000..1020);
        reader.read(&part(1, 1020), 1_020_000).expect("it is an envelope");
        read_seals(&mut reader, 1020..1040);
        assert_eq!(0, reader.missing());
        assert_eq!(4, reader.held_bytes());
        read_seals(&mut reader, 1040..1100);
        assert_eq!(0, reader.held_bytes());
    }

    #[test]
    fn beats_are_missing_after_an_outage_and_none_from_the_beginning_of_a_log() {
        let mut reader = LogReader::new(HORIZON, 2, false);
        read_seals(&mut reader, 1000..1010);
        read_seals(&mut reader, 1500..1501);
        assert_eq!(u64::from(reader.needed()) - 11, reader.missing());
        assert_eq!(0, LogReader::new(HORIZON, 2, true).missing());
    }
}
