//! What Prometheus scrapes.

use std::collections::BTreeMap;
use std::sync::Mutex;

use edgetally_core as core;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::locked;
use crate::window::Sealed;

#[pyclass(frozen, module = "edgetally._core")]
pub struct SeriesTotals {
    inner: Mutex<core::SeriesTotals>,
}

#[pymethods]
impl SeriesTotals {
    #[new]
    #[pyo3(signature = (*, series, domains, origins, split_by_pop=true))]
    fn new(series: usize, domains: usize, origins: usize, split_by_pop: bool) -> Self {
        let limits = core::SeriesLimits { series, domains, origins };
        Self { inner: Mutex::new(core::SeriesTotals::new(limits, split_by_pop)) }
    }

    fn name(
        &self,
        py: Python<'_>,
        services: BTreeMap<String, String>,
        pops: BTreeMap<String, (String, String, String, String)>,
    ) {
        let place = |(name, group, latitude, longitude)| core::PopPlace { name, group, latitude, longitude };
        let pops = pops.into_iter().map(|(pop, one)| (pop, place(one))).collect();
        py.detach(|| locked(&self.inner).name(core::ExpositionNames { services, pops }));
    }

    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
    fn add(&self, py: Python<'_>, second: u64, sealed: Vec<Bound<'_, Sealed>>) -> (usize, u64) {
        let sealed: Vec<&core::Sealed> = sealed.iter().map(|one| &one.get().inner).collect();
        py.detach(|| {
            let mut totals = locked(&self.inner);
            for one in sealed {
                totals.add(one);
            }
            totals.advance(second);
            (totals.series(), totals.overflowed())
        })
    }

    fn services(&self, py: Python<'_>) -> Vec<String> {
        py.detach(|| locked(&self.inner).services())
    }

    #[pyo3(signature = (services=None, *, openmetrics=false))]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
    fn scrape(&self, py: Python<'_>, services: Option<Vec<String>>, openmetrics: bool) -> Scrape {
        let format = if openmetrics { core::TextFormat::OpenMetrics } else { core::TextFormat::Prometheus };
        let snapshot = py.detach(|| locked(&self.inner).snapshot(services.as_deref()));
        Scrape { inner: Mutex::new(core::Scrape::new(snapshot, format)) }
    }
}

#[pyclass(frozen, module = "edgetally._core")]
pub struct Scrape {
    inner: Mutex<core::Scrape>,
}

#[pymethods]
impl Scrape {
    fn write<'py>(&self, py: Python<'py>, most: usize) -> (Bound<'py, PyBytes>, bool) {
        let mut text = vec![];
        let is_end = py.detach(|| locked(&self.inner).write(&mut text, most));
        (PyBytes::new(py, &text), is_end)
    }
}
