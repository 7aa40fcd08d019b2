//! Totals: what was counted since the start of the process, by service, POP and key.
//!
//! Totals only grow, and a key stays for good: a counter that disappears and comes back would look like a restart. So the
//! number of keys is limited. A key beyond the limits counts as `_other` of its POP, then of its service, then of all.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::exposition::admission::{Admission, SeriesLimits, Tier};
use crate::exposition::families::{Catalogue, MISS_TIMES, Subject};
use crate::exposition::labels::label;
use crate::exposition::snapshot::{LatestSecond, ServiceSnapshot, Snapshot, TotalRows};
use crate::schema::counters::{Kind, add};
use crate::schema::formula::{CHANNEL, COMPUTE};
use crate::value::key::OTHER;
use crate::window::sealed::{Sealed, SealedRow};
use crate::window::string_interner::StringInterner;

/// The POP of all series when they are not split by POP.
pub const AGGREGATE: &str = "aggregate";

/// What a POP is called and where it is.
#[derive(Debug, Clone, Default)]
pub struct PopPlace {
    /// Its name.
    pub name: String,
    /// Its continent or country.
    pub group: String,
    /// Its coordinates, as text; empty if they are not known.
    pub latitude: String,
    /// The same.
    pub longitude: String,
}

/// What the series are labelled with.
#[derive(Debug, Clone, Default)]
pub struct ExpositionNames {
    /// Names of services by id. A service that is not here has its id for a name.
    pub services: BTreeMap<String, String>,
    /// Places of POPs.
    pub pops: BTreeMap<String, PopPlace>,
}

/// The totals of all services.
#[derive(Debug)]
pub struct SeriesTotals {
    names: ExpositionNames,
    split_by_pop: bool,
    admission: Admission,
    numbers: HashMap<Box<str>, usize>,
    services: Vec<ServiceTotals>,
    /// The newest second that was added.
    newest: u64,
    overflowed: u64,
}

/// The totals of one service.
#[derive(Debug)]
struct ServiceTotals {
    service_id: Box<str>,
    /// `service_id="…",service_name="…"`.
    labels: Arc<str>,
    pops: StringInterner,
    keys: [KeyTotals; Subject::ALL.len()],
    /// Its first second.
    first: u64,
    /// In how many seconds it had traffic.
    seconds: u64,
}

/// The totals of the domains of one service, or of its origins.
#[derive(Debug, Default)]
struct KeyTotals {
    names: StringInterner,
    /// The numbers of keys, by the numbers of POP and name.
    numbers: HashMap<(u32, u32), usize, RandomState>,
    rows: TotalRows,
}

/// Where a row is added: the service and the key, by number.
type Place = (usize, usize);

impl SeriesTotals {
    /// No totals yet.
    #[must_use]
    pub fn new(limits: SeriesLimits, split_by_pop: bool) -> Self {
        Self {
            names: ExpositionNames::default(),
            split_by_pop,
            admission: Admission::new(limits),
            numbers: HashMap::new(),
            services: vec![],
            newest: 0,
            overflowed: 0,
        }
    }

    /// Names services and POPs from now on.
    pub fn name(&mut self, names: ExpositionNames) {
        self.names = names;
        for service in &mut self.services {
            service.labels = service_labels(&self.names, &service.service_id);
        }
    }

    /// How many series there are.
    #[must_use]
    pub fn series(&self) -> usize {
        self.admission.series()
    }

    /// How many rows were added under `_other` because of a limit.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// The services that have series, in alphabetical order.
    #[must_use]
    pub fn services(&self) -> Vec<String> {
        let mut found: Vec<_> = self.services.iter().map(|one| one.service_id.to_string()).collect();
        found.sort_unstable();
        found
    }

    /// Every second up to `second` is sealed, and was added if it had traffic.
    pub fn advance(&mut self, second: u64) {
        self.newest = self.newest.max(second);
    }

    /// Adds a sealed second.
    pub fn add(&mut self, sealed: &Sealed) {
        self.advance(sealed.second);
        let service = self.service(&sealed.service_id, sealed.second);
        if self.services[service].service_id == sealed.service_id {
            self.services[service].seconds += 1;
        }
        let of_domains = if sealed.domain_totals.is_empty() { &sealed.domain_rows } else { &sealed.domain_totals };
        for row in of_domains.iter().chain(&sealed.channel_rows) {
            let place = self.find_or_place(service, Subject::Service, self.pop(sealed, row), "", sealed.second);
            self.add_row(place, Subject::Service, sealed, row);
        }
        for (subject, rows, names) in [
            (Subject::Domain, &sealed.domain_rows, &sealed.domains),
            (Subject::Origin, &sealed.origin_rows, &sealed.origins),
        ] {
            for row in rows {
                let (pop, name) = (self.pop(sealed, row), names.get(row.name()));
                let place = self.find_or_place(service, subject, pop, name, sealed.second);
                self.add_row(place, subject, sealed, row);
            }
        }
    }

    /// The state of these services, or of all: a copy, so that it stays as it is while seconds are added.
    #[must_use]
    pub fn snapshot(&self, only: Option<&[String]>) -> Snapshot {
        let mut services: Vec<&ServiceTotals> = match only {
            Some(only) => only.iter().filter_map(|id| Some(&self.services[*self.numbers.get(&**id)?])).collect(),
            None => self.services.iter().collect(),
        };
        services.sort_unstable_by(|one, other| one.service_id.cmp(&other.service_id));
        services.dedup_by(|one, other| one.service_id == other.service_id);
        let mut pops: Vec<&str> =
            services.iter().flat_map(|one| (0..).take(one.pops.len()).map(|pop| one.pops.get(pop))).collect();
        if !self.split_by_pop {
            pops.clear();
        }
        pops.extend(self.names.pops.keys().map(|pop| &**pop));
        pops.sort_unstable();
        pops.dedup();
        Snapshot {
            newest: self.newest,
            services: services
                .iter()
                .map(|one| ServiceSnapshot {
                    labels: Arc::clone(&one.labels),
                    first: one.first,
                    seconds: one.seconds,
                    rows: Subject::ALL.map(|subject| one.keys[subject as usize].rows.clone()),
                })
                .collect(),
            pops: pops.into_iter().map(|pop| self.pop_labels(pop)).collect(),
        }
    }

    /// The POP that the series of `row` have.
    fn pop<'a>(&self, sealed: &'a Sealed, row: &SealedRow) -> &'a str {
        if self.split_by_pop { sealed.pops.get(row.pop()) } else { AGGREGATE }
    }

    #[inline]
    fn find_or_place(&mut self, service: usize, subject: Subject, pop: &str, name: &str, second: u64) -> Place {
        match self.services[service].find(subject, pop, name) {
            Some(number) => (service, number),
            None => self.place(service, subject, pop, name, second),
        }
    }

    fn add_row(&mut self, place: Place, subject: Subject, sealed: &Sealed, row: &SealedRow) {
        let layout = Catalogue::get().layout(subject);
        let (service, number) = place;
        let rows = &mut self.services[service].keys[subject as usize].rows;
        let values = &mut rows.values[number * layout.len..][..layout.len];
        let base = match row.kind {
            Kind::Delivery | Kind::Origin => 0,
            Kind::Compute | Kind::ComputeOrigin => COMPUTE,
            Kind::Channel => CHANNEL,
            Kind::MissTimes => MISS_TIMES,
        };
        let latest = rows.latest.get_mut(number).map(|latest| latest.of(sealed.second));
        let mut latest = latest.filter(|_| row.kind == Kind::Delivery);
        sealed.for_each_counter(row, |counter, value| {
            if let Some(slot) = layout.find(base + counter) {
                add(&mut values[slot], value);
            }
            if let Some(latest) = &mut latest {
                latest.add(counter, value);
            }
        });
    }

    /// The number of a service, or of `_other` when there are too many.
    fn service(&mut self, service_id: &str, second: u64) -> usize {
        if let Some(number) = self.numbers.get(service_id) {
            return *number;
        }
        let admitted = service_id == OTHER || self.admission.admits_service();
        if !admitted {
            return self.service(OTHER, second);
        }
        let number = self.services.len();
        self.services.push(ServiceTotals {
            service_id: service_id.into(),
            labels: service_labels(&self.names, service_id),
            pops: StringInterner::default(),
            keys: Default::default(),
            first: second,
            seconds: 0,
        });
        self.numbers.insert(service_id.into(), number);
        number
    }

    /// Where a new key counts: on its own if the limits permit it, otherwise as `_other`.
    #[cold]
    fn place(&mut self, service: usize, subject: Subject, pop: &str, name: &str, second: u64) -> Place {
        let totals = &self.services[service];
        let names = &totals.keys[subject as usize].names;
        // A service has one key per POP.
        let other = if subject == Subject::Service { "" } else { OTHER };
        let is_known = name == other || names.find(name.as_bytes()).is_some();
        if (is_known || self.admission.admits_name(subject, &totals.service_id, name, names.len(), second))
            && self.admission.admits_key(subject, Tier::Own)
        {
            return (service, self.services[service].create(subject, pop, name));
        }
        self.overflowed += 1;
        for (tier, pop) in [(Tier::OtherOfPop, pop), (Tier::OtherOfService, OTHER)] {
            if let Some(number) = self.services[service].find(subject, pop, other) {
                return (service, number);
            }
            if self.admission.admits_key(subject, tier) {
                return (service, self.services[service].create(subject, pop, other));
            }
        }
        let service = self.service(OTHER, second);
        let number = self.services[service].find(subject, OTHER, other).unwrap_or_else(|| {
            self.admission.admits_key(subject, Tier::Last);
            self.services[service].create(subject, OTHER, other)
        });
        (service, number)
    }

    /// The labels of `datacenter_info`.
    fn pop_labels(&self, pop: &str) -> Box<str> {
        let unknown = PopPlace { name: pop.to_owned(), ..PopPlace::default() };
        let place = self.names.pops.get(pop).unwrap_or(&unknown);
        let labels = [
            ("datacenter", pop),
            ("name", &place.name),
            ("group", &place.group),
            ("latitude", &place.latitude),
            ("longitude", &place.longitude),
        ];
        labels.map(|(name, value)| label(name, value)).join(",").into()
    }
}

impl ServiceTotals {
    #[inline]
    fn find(&self, subject: Subject, pop: &str, name: &str) -> Option<usize> {
        let keys = &self.keys[subject as usize];
        let key = (self.pops.find(pop.as_bytes())?, keys.names.find(name.as_bytes())?);
        keys.numbers.get(&key).copied()
    }

    fn create(&mut self, subject: Subject, pop: &str, name: &str) -> usize {
        let keys = &mut self.keys[subject as usize];
        let key = (self.pops.intern(pop.as_bytes()), keys.names.intern(name.as_bytes()));
        let rows = &mut keys.rows;
        let number = rows.labels.len();
        keys.numbers.insert(key, number);
        let labels = [Some(label("datacenter", pop)), subject.label().map(|label_name| label(label_name, name))];
        rows.labels.push(labels.into_iter().flatten().collect::<Vec<_>>().join(",").into());
        rows.values.resize(rows.values.len() + Catalogue::get().layout(subject).len, 0);
        if subject == Subject::Domain {
            rows.latest.push(LatestSecond::default());
        }
        number
    }
}

/// `service_id="…",service_name="…"`.
fn service_labels(names: &ExpositionNames, service_id: &str) -> Arc<str> {
    let name = names.services.get(service_id).map_or(service_id, |name| name);
    format!("{},{}", label("service_id", service_id), label("service_name", name)).into()
}
