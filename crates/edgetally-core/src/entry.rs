//! Entries: a sealed second of one service in one dataset, as the JSON that the API sends.
//!
//! ```json
//! {"recorded":1763769600,
//!  "aggregated":{"a.example":{"requests":3}},
//!  "datacenter":{"AMS":{"a.example":{"requests":2}},"LHR":{"a.example":{"requests":1}}}}
//! ```
//!
//! Keys stand in alphabetical order and what is 0 is left out, so equal counters make equal bytes.

mod fields;
mod objects;
#[cfg(test)]
mod obvious;
mod text;

use self::objects::{Object, Objects};
use self::text::Text;
use crate::measurement::Dataset;
use crate::sealed::{Row, Sealed};

impl Sealed {
    /// Whether the service had traffic that `dataset` shows.
    #[must_use]
    pub fn has(&self, dataset: Dataset) -> bool {
        !self.rows(dataset).is_empty()
    }

    /// The entry of `dataset` as JSON.
    #[must_use]
    pub fn entry(&self, dataset: Dataset) -> Vec<u8> {
        Encoder::default().encode(self, dataset).to_vec()
    }

    fn rows(&self, dataset: Dataset) -> &[Row] {
        match dataset {
            Dataset::Domains => &self.domain_rows,
            Dataset::Origins | Dataset::OriginInsights => &self.origin_rows,
        }
    }
}

/// Writes entries, one after the other into the same memory: what is new costs more than what is written.
#[derive(Debug, Default)]
pub struct Encoder {
    json: Text,
    objects: Objects,
}

impl Encoder {
    /// The entry of `dataset` in `sealed` as JSON.
    pub fn encode(&mut self, sealed: &Sealed, dataset: Dataset) -> &[u8] {
        let Self { json, objects } = self;
        objects.measure(sealed, sealed.rows(dataset), dataset);
        json.clear();
        json.push("{\"recorded\":");
        json.integer(sealed.second);
        json.push(",\"aggregated\":");
        let mut entry = Entry { sealed, dataset, objects, json };
        entry.names(&objects.of_all);
        entry.json.push(",\"datacenter\":{");
        let key = |entry: &mut Entry<'_>, row: &Row| entry.json.key(sealed.pops.get(row.pop()));
        entry.groups(&objects.by_pop, Row::pop, key, Entry::names);
        entry.json.push("}}");
        json.written()
    }

    /// Gives back what an entry took that was larger than most.
    pub fn rest(&mut self) {
        self.json.let_go();
        self.objects.let_go();
    }
}

struct Entry<'a> {
    sealed: &'a Sealed,
    dataset: Dataset,
    objects: &'a Objects,
    json: &'a mut Text,
}

impl Entry<'_> {
    /// Members separated by commas: one for each run of objects of whose rows `part` says the same.
    fn groups(
        &mut self,
        objects: &[Object],
        part: fn(&Row) -> u32,
        key: impl Fn(&mut Self, &Row),
        value: impl Fn(&mut Self, &[Object]),
    ) {
        let is_same = |one: &Object, other: &Object| part(&one.row) == part(&other.row);
        for (number, group) in objects.chunk_by(is_same).enumerate() {
            if number > 0 {
                self.json.push(",");
            }
            key(self, &group[0].row);
            value(self, group);
        }
    }

    /// The object of names.
    fn names(&mut self, objects: &[Object]) {
        let sealed = self.sealed;
        let (names, value): (_, fn(&mut Self, &[Object])) = match self.dataset {
            Dataset::Domains => (&sealed.domains, Self::measured),
            Dataset::Origins => (&sealed.origins, Self::measured),
            Dataset::OriginInsights => (&sealed.origins, Self::addresses),
        };
        self.json.push("{");
        self.groups(objects, Row::name, |entry, row| entry.json.key(names.get(row.name())), value);
        self.json.push("}");
    }

    /// The object of an origin's addresses.
    fn addresses(&mut self, objects: &[Object]) {
        let addresses = &self.sealed.addresses;
        self.json.push("{");
        let key = |entry: &mut Self, row: &Row| entry.json.key(addresses.get(row.address()));
        self.groups(objects, Row::address, key, Self::measured);
        self.json.push("}");
    }

    /// The measurements of a key, of which there is one object.
    fn measured(&mut self, objects: &[Object]) {
        for object in objects {
            self.json.append(self.objects.text(object));
        }
    }
}
