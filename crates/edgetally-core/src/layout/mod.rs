//! Layouts: how each server writes its lines, where that is not the canonical record.
//!
//! One file is one layout: a table that says what the server's own keys hold, in the slots of [`crate::field`], and
//! what is to be known of them beyond that. A new one is a file here, and its name in [`ALL`].
//!
//! What a server does not log stays absent.

mod caddy;
mod canonical;
mod keys;

use std::fmt;

use crate::field::Slots;
use crate::record::Record;

pub use keys::{Keys, Meaning, ROOT};

/// How one server writes its lines.
pub struct Layout {
    /// Its name among the formats.
    pub name: &'static str,
    /// What its keys hold. `a>b` is the key `b` of the object at `a`; `a[b]` is the first value of a header: `a` holds
    /// lists of values by the names of headers, in any order.
    pub fields: &'static [(&'static str, usize)],
    /// Whether the fields of the canonical record are understood beside these.
    pub and_canonical: bool,
    /// What more there is to know of a record of this layout, once its fields are read.
    pub refine: Option<fn(&mut Record<'_>, &Slots, &[u8])>,
}

/// Every layout; the first is that of records.
pub static ALL: [&Layout; 2] = [&canonical::LAYOUT, &caddy::LAYOUT];

/// A layout, ready to read with.
#[derive(Clone)]
pub struct Format {
    layout: &'static Layout,
    keys: Keys,
}

impl Format {
    fn new(layout: &'static Layout) -> Self {
        Self { layout, keys: Keys::new(layout.fields, layout.and_canonical) }
    }

    /// The format with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ALL.iter().find(|layout| layout.name == name).map(|layout| Self::new(layout))
    }

    /// The names of all formats.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|layout| layout.name)
    }

    /// What its keys mean.
    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Corrects `record`, which was made of `slots`, by what its server is known to write.
    #[inline]
    pub(crate) fn refine(&self, record: &mut Record<'_>, slots: &Slots, block: &[u8]) {
        if let Some(refine) = self.layout.refine {
            refine(record, slots, block);
        }
    }
}

impl Default for Format {
    fn default() -> Self {
        Self::new(&canonical::LAYOUT)
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Format({})", self.layout.name)
    }
}
