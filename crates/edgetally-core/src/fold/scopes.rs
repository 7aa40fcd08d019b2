//! Scopes: the service and POP of a record, numbered per fold.

use crate::decode::slots::Slots;
use crate::fold::counting_rules::{MAX_RAW_KEY, bound};
use crate::fold::key_interner::{Key, KeyInterner, to_index};
use crate::fold::settings::Settings;
use crate::rejection::{Reason, Rejection};
use crate::schema::record_fields as field;
use crate::value::key;

/// A service and a POP, and how many records they had by second.
#[derive(Debug)]
struct ScopeRecords {
    service_id: String,
    pop: String,
    records: Vec<(u64, u64)>,
}

/// Services and POPs that had records since the last spill.
#[derive(Debug, Default)]
pub struct Scopes {
    records: Vec<ScopeRecords>,
    /// Services and POPs as they were logged; the number of a key is that of its scope.
    keys: KeyInterner<()>,
}

impl Scopes {
    /// The number of the record's service and POP.
    #[inline]
    pub fn number(&mut self, slots: &Slots, block: &[u8], settings: &Settings) -> Result<u32, Rejection> {
        let (service, pop) = (slots.text(block, field::SERVICE_ID), slots.text(block, field::POP));
        if service.len() > MAX_RAW_KEY {
            return Err(slots.rejection(Reason::BadServiceId, field::SERVICE_ID));
        }
        let pop = bound(pop);
        let key = Key { scope: 0, name: service, address: pop };
        let hash = self.keys.hash(key);
        if let Some(scope) = self.keys.find(hash, key) {
            return Ok(to_index(scope));
        }
        let Some(service_id) = key::service_id(service, &settings.service_id) else {
            return Err(slots.rejection(Reason::BadServiceId, field::SERVICE_ID));
        };
        // Checked once per service and POP; lines that are rejected here are checked again and again.
        if settings.services.as_ref().is_some_and(|allowed| allowed.iter().all(|one| *one != service_id)) {
            return Err(slots.rejection(Reason::ForeignService, field::SERVICE_ID));
        }
        self.records.push(ScopeRecords {
            service_id: service_id.into_owned(),
            pop: key::pop(pop, &settings.pop).into_owned(),
            records: vec![],
        });
        Ok(to_index(self.keys.insert(hash, key, ())))
    }

    /// Counts a record of the scope with this number in `second`.
    #[inline]
    pub fn count(&mut self, scope: u32, second: u64) {
        let records = &mut self.records[scope as usize].records;
        // Logs are nearly in order, so this is nearly always the last second.
        match records.iter_mut().rev().find(|(counted, _)| *counted == second) {
            Some((_, count)) => *count += 1,
            None => records.push((second, 1)),
        }
    }

    /// Whether no record was counted.
    pub fn is_empty(&self) -> bool {
        self.records.iter().all(|scope| scope.records.is_empty())
    }

    /// Service, POP and the records of each second, of every scope in the order of their numbers.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str, &[(u64, u64)])> {
        self.records.iter().map(|scope| (&*scope.service_id, &*scope.pop, &*scope.records))
    }

    /// Forgets all scopes.
    pub fn clear(&mut self) {
        self.records.clear();
        self.keys.clear();
    }

    /// Bytes that the scopes take, approximately.
    pub fn size(&self) -> usize {
        self.keys.size() + self.records.len() * size_of::<ScopeRecords>()
    }
}
