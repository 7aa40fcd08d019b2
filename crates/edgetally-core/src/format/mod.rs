//! Layouts: how each server writes its lines, where that is not the canonical record.
//!
//! One file is one layout: a table that says what the server's own keys hold, in the slots of [`crate::schema::field`], and
//! what is to be known of them beyond that. A new one is a file here, and its name in [`ALL`].
//!
//! What a server does not log stays absent.

mod caddy;
mod canonical;
mod cloudflare;
mod cloudfront;
pub mod detect;
mod traefik;

use std::fmt;

use crate::record::Record;
use crate::schema::field::{self, SKIP, STATUS, Slots};

use crate::decode::columns::Columns;
use crate::decode::key_tree::Keys;

/// How one server writes its lines.
pub struct Layout {
    /// Its name among the formats.
    pub name: &'static str,
    /// What its keys hold. `a>b` is the key `b` of the object at `a`; `a[b]` is the first value of a header: `a` holds
    /// lists of values by the names of headers, in any order.
    pub fields: &'static [(&'static str, usize)],
    /// Whether the fields of the canonical record are understood beside these.
    pub and_canonical: bool,
    /// The fields of a line when nobody chose others, if lines are no objects but values between tabs.
    pub columns: &'static [&'static str],
    /// A line that is sent to try out the way, and is no record and no mistake either.
    pub greeting: &'static [u8],
    /// What more there is to know of a record of this layout, once its fields are read.
    pub refine: Option<fn(&mut Record<'_>, &Slots, &[u8])>,
}

impl Layout {
    /// A layout of objects with no more to it than its fields.
    const OF_OBJECTS: Self =
        Self { name: "", fields: &[], and_canonical: false, columns: &[], greeting: &[], refine: None };
}

/// Every layout; the first is that of records.
pub static ALL: [&Layout; 5] =
    [&canonical::LAYOUT, &caddy::LAYOUT, &cloudflare::LAYOUT, &cloudfront::LAYOUT, &traefik::LAYOUT];

/// A layout, ready to read with.
#[derive(Clone)]
pub struct Format {
    layout: &'static Layout,
    keys: Keys,
    columns: Option<Columns>,
}

impl Format {
    fn new(layout: &'static Layout) -> Self {
        let keys = Keys::new(if layout.columns.is_empty() { layout.fields } else { &[] }, layout.and_canonical);
        Self { layout, keys, columns: None }
    }

    /// The format `name`: a layout, and where it has columns perhaps a colon and which these are: `cloudfront:a,b`.
    ///
    /// # Errors
    ///
    /// There is no such format. The sentence says what is wrong with it.
    pub fn named(name: &str) -> Result<Self, String> {
        let (name, chosen) = name.split_once(':').map_or((name, None), |(name, chosen)| (name, Some(chosen)));
        let layout =
            ALL.iter().find(|layout| layout.name == name).ok_or_else(|| format!("there is no format {name}"))?;
        let mut format = Self::new(layout);
        match chosen {
            None if layout.columns.is_empty() => {}
            None => format.columns = Some(columns(layout, layout.columns.iter().copied())?),
            Some(_) if layout.columns.is_empty() => return Err(format!("{name} has no columns that could be chosen")),
            Some(chosen) => format.columns = Some(columns(layout, chosen.split(',').map(str::trim))?),
        }
        Ok(format)
    }

    /// The names of all formats.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|layout| layout.name)
    }

    /// Where a line has what, and the field of the record that it is; empty where a layout makes something of it itself.
    ///
    /// In the order of the columns where a line has these.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let fields = self.layout.fields.iter().filter(|(_, slot)| *slot != SKIP);
        fields.map(|(path, slot)| (*path, field::name(*slot)))
    }

    /// What its keys mean.
    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Its columns, when lines are no objects.
    pub(crate) fn columns(&self) -> Option<&Columns> {
        self.columns.as_ref()
    }

    /// Whether `line` is only sent to try out the way.
    pub(crate) fn is_greeting(&self, line: &[u8]) -> bool {
        !line.is_empty() && line == self.layout.greeting
    }

    /// Corrects `record`, which was made of `slots`, by what its server is known to write.
    #[inline]
    pub(crate) fn refine(&self, record: &mut Record<'_>, slots: &Slots, block: &[u8]) {
        if let Some(refine) = self.layout.refine {
            refine(record, slots, block);
        }
    }
}

/// The columns that hold the fields `chosen`; `-` is a field that does not matter.
fn columns<'a>(layout: &Layout, chosen: impl Iterator<Item = &'a str>) -> Result<Columns, String> {
    let mut slots = vec![];
    for field in chosen {
        let known = layout.fields.iter().find(|(name, _)| *name == field);
        match known {
            Some((_, slot)) => slots.push(*slot),
            None if field == "-" => slots.push(SKIP),
            None => {
                return Err(format!("{} has no field {field:?}; say - for a column that does not matter", layout.name));
            }
        }
    }
    if slots.contains(&STATUS) {
        return Ok(Columns::new(slots));
    }
    let status = layout.fields.iter().find(|(_, slot)| *slot == STATUS).map_or("", |(name, _)| name);
    Err(format!("without the field {status} nothing counts"))
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
