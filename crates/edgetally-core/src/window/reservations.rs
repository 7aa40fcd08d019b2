//! Regulars: domains that come back, and so keep their row when strangers make up more than there may be.
//!
//! Anybody can send any Host header, and a limit alone would give the rows of a second to whoever comes first. So the
//! window remembers who came in more than one second, and proposes a place for each in seconds to come. What it
//! proposes becomes true once it stands in the journal as a partial: what is remembered here may differ from one reader
//! to the next, and the entries may not.

use hashbrown::HashMap;

use crate::partial::Writer;
use crate::value::key::{INVALID, OTHER};
use crate::window::sealed::Sealed;

/// Seconds after which a domain that came once is a stranger again.
const ONCE_SECONDS: u64 = 60;
/// Seconds after which a regular, or a service, that stays away is forgotten.
const REGULAR_SECONDS: u64 = 300;

/// Domains of all services together that are remembered: some 20 MB.
const MAX_DOMAINS: usize = 200_000;

/// Who came lately.
#[derive(Debug, Default)]
pub struct Regulars {
    services: HashMap<String, Service>,
}

#[derive(Debug, Default)]
struct Service {
    last: u64,
    domains: HashMap<Box<str>, Domain>,
    regulars: usize,
}

#[derive(Debug)]
struct Domain {
    last: u64,
    is_regular: bool,
}

impl Regulars {
    /// Remembers who had a row of their own: at most `services`, and of each at most `domains` of either sort.
    pub fn note(&mut self, sealed: &[Sealed], services: usize, domains: usize) {
        let known: usize = self.services.values().map(|service| service.domains.len()).sum();
        let mut room = MAX_DOMAINS.saturating_sub(known);
        for one in sealed {
            if self.services.len() < services || self.services.contains_key(&*one.service_id) {
                self.services.entry_ref(&*one.service_id).or_default().note(one, domains, &mut room);
            }
        }
        if let Some(newest) = sealed.last() {
            self.services.retain(|_, service| service.last + REGULAR_SECONDS >= newest.second);
        }
    }

    /// How many services came lately.
    pub fn services(&self) -> usize {
        self.services.len()
    }

    /// A partial of places for every regular in the seconds from `first` to `last`, and for every service if
    /// `of_services`; empty when there is nobody.
    pub fn places(&self, first: u64, last: u64, of_services: bool) -> Vec<u8> {
        let mut known: Vec<_> =
            self.services.iter().filter(|(_, service)| of_services || service.regulars > 0).collect();
        if known.is_empty() {
            return vec![];
        }
        known.sort_unstable_by_key(|(service_id, _)| *service_id);
        let mut writer = Writer::new(known.iter().map(|(service_id, _)| (&***service_id, "", &[][..])));
        for second in first..=last {
            for (scope, (_, service)) in (0..).zip(&known) {
                writer.place(scope, second, "");
                for (name, _) in service.domains.iter().filter(|(_, domain)| domain.is_regular) {
                    writer.place(scope, second, name);
                }
            }
        }
        writer.finish()
    }
}

impl Service {
    fn note(&mut self, sealed: &Sealed, most: usize, room: &mut usize) {
        let second = sealed.second;
        if second / ONCE_SECONDS != self.last / ONCE_SECONDS {
            self.forget(second);
        }
        self.last = second;
        for name in sealed.domain_names().filter(|name| *name != OTHER && *name != INVALID) {
            if let Some(domain) = self.domains.get_mut(name) {
                if !domain.is_regular && domain.last != second && self.regulars < most {
                    domain.is_regular = true;
                    self.regulars += 1;
                }
                domain.last = second;
            } else if self.domains.len() - self.regulars < most && *room > 0 {
                *room -= 1;
                self.domains.insert(name.into(), Domain { last: second, is_regular: false });
            }
        }
    }

    fn forget(&mut self, second: u64) {
        self.domains.retain(|_, domain| {
            let patience = if domain.is_regular { REGULAR_SECONDS } else { ONCE_SECONDS };
            domain.last + patience >= second
        });
        self.regulars = self.domains.values().filter(|domain| domain.is_regular).count();
    }
}
