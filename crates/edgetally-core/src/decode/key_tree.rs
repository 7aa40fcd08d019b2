//! What the keys of a line mean, object by object.

use memchr::memmem::Finder;

use crate::schema::record_fields::{self as field, SKIP};

/// The object that is the line itself.
pub const ROOT: u8 = 0;

/// What stands behind a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A value for this slot.
    Slot(usize),
    /// An object some of whose members mean something.
    Object(u8),
    /// Headers: an object, members in any order, of lists of values.
    Headers(u8),
}

/// The objects of a layout that are looked into.
#[derive(Debug, Clone)]
pub struct KeyTree {
    objects: Vec<Object>,
    and_canonical: bool,
}

#[derive(Debug, Clone)]
struct Object {
    /// The object that this one is a member of.
    parent: u8,
    members: Vec<(&'static [u8], Meaning)>,
    /// A quote, and how the keys of all members begin.
    beginning: Finder<'static>,
}

impl Object {
    fn new(parent: u8) -> Self {
        Self { parent, members: vec![], beginning: Finder::new(b"") }
    }
}

impl KeyTree {
    /// The objects that the paths in `fields` lead through.
    pub fn new(fields: &[(&'static str, usize)], and_canonical: bool) -> Self {
        let mut keys = Self { objects: vec![Object::new(ROOT)], and_canonical };
        for (path, slot) in fields {
            let (mut object, mut left) = (ROOT, *path);
            while let Some((key, below)) = left.split_once(['>', '[']) {
                let make = if left[key.len()..].starts_with('[') { Meaning::Headers } else { Meaning::Object };
                object = keys.below(object, key, make);
                left = below.trim_end_matches(']');
            }
            keys.objects[usize::from(object)].members.push((left.as_bytes(), Meaning::Slot(*slot)));
        }
        for object in &mut keys.objects {
            let quoted = [b"\"", common_beginning(&object.members)].concat();
            object.beginning = Finder::new(&quoted).into_owned();
        }
        keys
    }

    /// The object behind `key` in `object`, made if it is not there yet.
    fn below(&mut self, object: u8, key: &'static str, make: fn(u8) -> Meaning) -> u8 {
        if let Meaning::Object(known) | Meaning::Headers(known) = self.of(object, key.as_bytes()) {
            return known;
        }
        let new = u8::try_from(self.objects.len()).expect("a layout has few objects");
        self.objects.push(Object::new(object));
        self.objects[usize::from(object)].members.push((key.as_bytes(), make(new)));
        new
    }

    /// What stands behind `key` in `object`.
    pub fn of(&self, object: u8, key: &[u8]) -> Meaning {
        let members = &self.objects[usize::from(object)].members;
        match members.iter().find(|(name, _)| *name == key) {
            Some((_, meaning)) => *meaning,
            None if object == ROOT && self.and_canonical => Meaning::Slot(field::of_record(key)),
            None => Meaning::Slot(SKIP),
        }
    }

    /// Where in `text`, which is `object` as it was logged, strings begin that can be keys of its members.
    pub fn beginnings<'a>(&'a self, object: u8, text: &'a [u8]) -> impl Iterator<Item = usize> {
        self.objects[usize::from(object)].beginning.find_iter(text)
    }

    /// The object that `object` is a member of.
    pub fn parent(&self, object: u8) -> u8 {
        self.objects[usize::from(object)].parent
    }
}

/// What the keys of all `members` begin with.
fn common_beginning(members: &[(&'static [u8], Meaning)]) -> &'static [u8] {
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
    fn paths_lead_through_objects() {
        let fields = [("a", 1), ("b>c", 2), ("b>d>e", 3), ("h[X-Y]", 4)];
        let keys = KeyTree::new(&fields, true);
        assert_eq!(Meaning::Slot(1), keys.of(ROOT, b"a"));
        assert_eq!(Meaning::Slot(field::STATUS), keys.of(ROOT, b"status"));
        let Meaning::Object(b) = keys.of(ROOT, b"b") else { panic!("b is an object") };
        let Meaning::Object(d) = keys.of(b, b"d") else { panic!("b>d is an object") };
        let Meaning::Headers(h) = keys.of(ROOT, b"h") else { panic!("h is headers") };
        assert_eq!([Meaning::Slot(2), Meaning::Slot(SKIP)], [keys.of(b, b"c"), keys.of(b, b"status")]);
        assert_eq!([Meaning::Slot(3), Meaning::Slot(4)], [keys.of(d, b"e"), keys.of(h, b"X-Y")]);
        assert_eq!(vec![9], keys.beginnings(h, br#"{"A":"b","X-Y":"c"}"#).collect::<Vec<_>>());
        assert_eq!([b, ROOT, ROOT], [keys.parent(d), keys.parent(b), keys.parent(h)]);
    }
}
