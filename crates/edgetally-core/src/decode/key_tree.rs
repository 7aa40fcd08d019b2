//! What the keys of a line mean, object by object.

use memchr::memmem::Finder;

use crate::schema::record_fields::{self as field, SKIP};
use crate::value::number::{Number, number};

/// The object that is the line itself.
pub const ROOT: u8 = 0;

/// What a key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A value for this slot.
    Slot(usize),
    /// An object with members that mean something.
    Object(u8),
    /// Headers: an object of lists of values, in any order.
    Headers(u8),
}

/// The keys of a format, object by object.
#[derive(Debug, Clone)]
pub struct KeyTree {
    objects: Vec<KeyObject>,
    has_canonical_fields: bool,
    /// The keys of a line that make it a record, and their slots.
    parts: Vec<(&'static [u8], usize)>,
}

/// The slots of a request and of a fetch.
const PARTS: [usize; 5] = [field::STATUS, field::ORIGIN_IP, field::ORIGIN_ADDR, field::ORIGIN_STATUS, field::ORIGINS];

#[derive(Debug, Clone)]
struct KeyObject {
    /// The object that this one is a member of.
    parent: u8,
    members: Vec<(&'static [u8], Meaning)>,
    /// Finds a quote and the common prefix of all keys.
    candidates: Finder<'static>,
}

impl KeyObject {
    fn new(parent: u8) -> Self {
        Self { parent, members: vec![], candidates: Finder::new(b"") }
    }
}

impl KeyTree {
    /// The tree of the paths in `fields`: `a>b` is the key `b` of the object `a`, and `a[b]` the header `b` in `a`.
    pub fn new(fields: &[(&'static str, usize)], has_canonical_fields: bool) -> Self {
        let canonical =
            if has_canonical_fields { PARTS.map(|slot| (field::name(slot).as_bytes(), slot)).to_vec() } else { vec![] };
        let mut keys = Self { objects: vec![KeyObject::new(ROOT)], has_canonical_fields, parts: canonical };
        for (path, slot) in fields {
            let (mut object, mut left) = (ROOT, *path);
            while let Some((key, below)) = left.split_once(['>', '[']) {
                let make = if left[key.len()..].starts_with('[') { Meaning::Headers } else { Meaning::Object };
                object = keys.insert(object, key, make);
                left = below.trim_end_matches(']');
            }
            keys.objects[usize::from(object)].members.push((left.as_bytes(), Meaning::Slot(*slot)));
        }
        let own = &keys.objects[usize::from(ROOT)].members;
        let part = |(key, meaning): &(&'static [u8], Meaning)| match meaning {
            Meaning::Slot(slot) if PARTS.contains(slot) => Some((*key, *slot)),
            _ => None,
        };
        keys.parts.extend(own.iter().filter_map(part));
        for object in &mut keys.objects {
            let quoted = [b"\"", common_prefix(&object.members)].concat();
            object.candidates = Finder::new(&quoted).into_owned();
        }
        keys
    }

    /// The object at `key` in `object`, made if it is not there yet.
    fn insert(&mut self, object: u8, key: &'static str, make: fn(u8) -> Meaning) -> u8 {
        if let Meaning::Object(inner) | Meaning::Headers(inner) = self.meaning(object, key.as_bytes()) {
            return inner;
        }
        let new = u8::try_from(self.objects.len()).expect("a format has few objects");
        self.objects.push(KeyObject::new(object));
        self.objects[usize::from(object)].members.push((key.as_bytes(), make(new)));
        new
    }

    /// What `key` means in `object`.
    pub fn meaning(&self, object: u8, key: &[u8]) -> Meaning {
        let members = &self.objects[usize::from(object)].members;
        match members.iter().find(|(name, _)| *name == key) {
            Some((_, meaning)) => *meaning,
            None if object == ROOT && self.has_canonical_fields => Meaning::Slot(field::of_record(key)),
            None => Meaning::Slot(SKIP),
        }
    }

    /// Whether a line with this member is meant to be a record: it says that there was a request, or a fetch.
    #[inline]
    pub fn is_of_record(&self, key: &[u8], value: &[u8]) -> bool {
        self.parts.iter().any(|(part, slot)| *part == key && is_present(*slot, value))
    }

    /// Where in `text`, which is `object` as it was logged, there are strings that may be keys of its members.
    pub fn find_candidates<'a>(&'a self, object: u8, text: &'a [u8]) -> impl Iterator<Item = usize> {
        // An iterator of the finder would copy it.
        let finder = &self.objects[usize::from(object)].candidates;
        let mut from = 0;
        std::iter::from_fn(move || {
            let at = from + finder.find(&text[from..])?;
            from = at + 1;
            Some(at)
        })
    }

    /// The object that `object` is a member of.
    pub fn parent(&self, object: u8) -> u8 {
        self.objects[usize::from(object)].parent
    }
}

/// Whether `value`, as it was logged, is one that the slot of a part may have. A log shipper's own status is a word.
fn is_present(slot: usize, value: &[u8]) -> bool {
    let text = match value {
        [b'"', text @ .., b'"'] => text,
        [b'{' | b'[', ..] => return slot == field::ORIGINS,
        b"null" => return false,
        text => text,
    };
    match slot {
        field::STATUS => !matches!(number(text), Number::Absent | Number::Junk),
        field::ORIGINS => false,
        _ => !matches!(text, b"" | b"-"),
    }
}

/// The longest prefix of the keys of all `members`.
fn common_prefix(members: &[(&'static [u8], Meaning)]) -> &'static [u8] {
    let mut keys = members.iter().map(|(key, _)| *key);
    let first = keys.next().unwrap_or_default();
    keys.fold(first, |common, key| {
        let same = common.iter().zip(key).take_while(|(one, other)| one == other).count();
        &common[..same]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_of_a_part_that_is_present_makes_a_record() {
        let keys = KeyTree::new(&[("sent", field::STATUS)], true);
        for (key, values, want) in [
            ("status", &["200", "\"200\"", "-1", "9999", "\"000\"", "2e2"][..], true),
            ("status", &["\"info\"", "\"\"", "\"-\"", "null", "true", "{\"a\":1}", "[200]", "\"200 OK\""], false),
            ("sent", &["200"], true),
            ("sent", &["\"info\""], false),
            ("origin_ip", &["\"10.0.0.7\"", "\"x\""], true),
            ("origin_ip", &["\"\"", "\"-\"", "null", "[]"], false),
            ("origins", &["[{}]"], true),
            ("origins", &["\"a\"", "null"], false),
            ("origin", &["\"a\""], false),
        ] {
            for value in values {
                assert_eq!(want, keys.is_of_record(key.as_bytes(), value.as_bytes()), "{key}: {value}");
            }
        }
    }

    #[test]
    fn paths_are_trees_of_objects() {
        let fields = [("a", 1), ("b>c", 2), ("b>d>e", 3), ("h[X-Y]", 4)];
        let keys = KeyTree::new(&fields, true);
        assert_eq!(Meaning::Slot(1), keys.meaning(ROOT, b"a"));
        assert_eq!(Meaning::Slot(field::STATUS), keys.meaning(ROOT, b"status"));
        let Meaning::Object(b) = keys.meaning(ROOT, b"b") else { panic!("b is an object") };
        let Meaning::Object(d) = keys.meaning(b, b"d") else { panic!("b>d is an object") };
        let Meaning::Headers(h) = keys.meaning(ROOT, b"h") else { panic!("h is headers") };
        assert_eq!([Meaning::Slot(2), Meaning::Slot(SKIP)], [keys.meaning(b, b"c"), keys.meaning(b, b"status")]);
        assert_eq!([Meaning::Slot(3), Meaning::Slot(4)], [keys.meaning(d, b"e"), keys.meaning(h, b"X-Y")]);
        assert_eq!(vec![9], keys.find_candidates(h, br#"{"A":"b","X-Y":"c"}"#).collect::<Vec<_>>());
        assert_eq!([b, ROOT, ROOT], [keys.parent(d), keys.parent(b), keys.parent(h)]);
    }
}
