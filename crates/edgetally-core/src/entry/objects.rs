//! Objects: the measurements of every key, for each POP and for all of them, as JSON that entries are put together of.
//!
//! Every row is read once, for its POP and for all of them.

use std::mem;
use std::ops::Range;

use super::fields;
use super::text::Text;
use crate::compact::Places;
use crate::counter::add;
use crate::measurement::{Dataset, SECOND};
use crate::plan::{Plan, SLOTS, Slots};
use crate::sealed::{Row, Sealed};

/// The measurements of a key: some row of it, and where they stand as JSON.
#[derive(Debug, Clone)]
pub struct Object {
    pub row: Row,
    text: Range<usize>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Objects {
    /// By POP, name and address.
    pub by_pop: Vec<Object>,
    /// By name and address.
    pub of_all: Vec<Object>,
    text: Text,
}

/// What rows count, while it is added up.
struct Sums {
    slots: Slots,
    /// Where it is not 0.
    places: [Places; 2],
}

impl Objects {
    /// Takes the place of what was here: the objects of `rows`, which are in the order of name, address and POP.
    pub fn measure(&mut self, sealed: &Sealed, rows: &[Row], dataset: Dataset) {
        self.by_pop.clear();
        self.of_all.clear();
        self.text.clear();
        let plan = Plan::of(dataset);
        let (mut one, mut all) = (Sums::new(), Sums::new());
        let mut sorted = vec![];
        let is_same = |one: &Row, other: &Row| {
            one.name() == other.name() && (dataset != Dataset::OriginInsights || one.address() == other.address())
        };
        for mut rows in rows.chunk_by(is_same) {
            if dataset == Dataset::Origins {
                // By name and POP, whatever their addresses are.
                sorted.clear();
                sorted.extend_from_slice(rows);
                sorted.sort_unstable_by_key(Row::pop);
                rows = &sorted;
            }
            all.clear(plan);
            let first = self.by_pop.len();
            for rows in rows.chunk_by(|one, other| one.pop() == other.pop()) {
                one.clear(plan);
                for row in rows {
                    let half = plan.half(row.kind);
                    let found = sealed.each_counter(row, |place, value| {
                        let slot = (half * SECOND + place) % SLOTS;
                        add(&mut one.slots[slot], value);
                        add(&mut all.slots[slot], value);
                    });
                    one.note(half, found);
                    all.note(half, found);
                }
                let object = self.object(rows[0], plan, &mut one);
                self.by_pop.push(object);
            }
            let of_all = match &self.by_pop[first..] {
                // What all POPs are together, the only one is.
                [only] => only.clone(),
                _ => self.object(rows[0], plan, &mut all),
            };
            self.of_all.push(of_all);
        }
        // Stable, so the objects of a POP stay in the order of their names.
        self.by_pop.sort_by_key(|object| object.row.pop());
    }

    /// The JSON of one of them.
    pub fn text(&self, object: &Object) -> &[u8] {
        &self.text.written()[object.text.clone()]
    }

    /// Gives back memory, if it is much.
    pub fn let_go(&mut self) {
        self.text.let_go();
        if self.by_pop.len() > KEPT {
            self.by_pop = vec![];
            self.of_all = vec![];
        }
    }

    fn object(&mut self, row: Row, plan: &Plan, sums: &mut Sums) -> Object {
        let start = self.text.len();
        let shown = plan.sum(&mut sums.slots, sums.places);
        fields::write(plan, shown, &sums.slots, &mut self.text);
        Object { row, text: start..self.text.len() }
    }
}

/// More objects than these do not rest until the next entry.
const KEPT: usize = 4096;

impl Sums {
    fn new() -> Self {
        Self { slots: [0; SLOTS], places: Default::default() }
    }

    fn clear(&mut self, plan: &Plan) {
        plan.clear(&mut self.slots);
        mem::take(&mut self.places);
    }

    fn note(&mut self, half: usize, found: Places) {
        self.places[half].iter_mut().zip(found).for_each(|(places, found)| *places |= found);
    }
}
