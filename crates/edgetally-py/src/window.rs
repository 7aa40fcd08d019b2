//! The window and its sealed seconds.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Mutex;

use edgetally_core as core;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::locked;
use crate::schema::dataset;

thread_local! {
    /// Encodes entries in this thread.
    static ENCODER: RefCell<core::Encoder> = RefCell::default();
}

#[pyclass(frozen, module = "edgetally._core")]
pub struct Window {
    inner: Mutex<core::Window>,
}

#[pymethods]
impl Window {
    #[new]
    #[pyo3(signature = (*, domains=10_000, origins=1_000, addresses=10_000, pops=1_000, services=10_000))]
    fn new(domains: usize, origins: usize, addresses: usize, pops: usize, services: usize) -> Self {
        let limits = core::Limits { domains, origins, addresses, pops };
        Self { inner: Mutex::new(core::Window::new(limits, services)) }
    }

    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
    fn merge<'py>(&self, py: Python<'py>, partial: Bound<'py, PyBytes>) -> PyResult<Bound<'py, PyList>> {
        let partial = partial.as_bytes();
        let merged = py.detach(|| locked(&self.inner).merge(partial));
        let merged = merged.map_err(|error| PyValueError::new_err(error.to_string()))?;
        PyList::new(py, merged.into_iter().map(|one| (one.service_id, one.records, one.late)))
    }

    fn seal(&self, py: Python<'_>, second: u64) -> Vec<Sealed> {
        let sealed = py.detach(|| locked(&self.inner).seal(second));
        sealed.into_iter().map(|inner| Sealed { inner }).collect()
    }

    fn reservations<'py>(&self, py: Python<'py>, soon: u64, first: u64, last: u64) -> Bound<'py, PyBytes> {
        let partial = py.detach(|| locked(&self.inner).reservations(soon, first, last));
        PyBytes::new(py, &partial)
    }

    fn freeze(&self, py: Python<'_>, keep: usize) {
        py.detach(|| locked(&self.inner).freeze(keep));
    }

    #[getter]
    fn sealed(&self) -> Option<u64> {
        locked(&self.inner).sealed()
    }

    #[getter]
    fn newest(&self) -> Option<u64> {
        locked(&self.inner).newest()
    }
}

#[pyclass(frozen, module = "edgetally._core")]
pub struct Sealed {
    pub inner: core::Sealed,
}

#[pymethods]
impl Sealed {
    #[getter]
    fn service_id(&self) -> &str {
        &self.inner.service_id
    }

    #[getter]
    fn second(&self) -> u64 {
        self.inner.second
    }

    #[getter]
    fn records(&self) -> u64 {
        self.inner.records
    }

    #[getter]
    fn late(&self) -> u64 {
        self.inner.late
    }

    #[getter]
    fn overflowed(&self) -> u64 {
        self.inner.overflowed
    }

    #[getter]
    fn size(&self) -> usize {
        self.inner.size()
    }

    fn has(&self, dataset: &str) -> PyResult<bool> {
        Ok(self.inner.has(self::dataset(dataset)?))
    }

    #[pyo3(signature = (dataset, *, by_pop=true, names=BTreeSet::new(), fields=BTreeSet::new()))]
    fn entry<'py>(
        &self,
        py: Python<'py>,
        dataset: &str,
        by_pop: bool,
        names: BTreeSet<String>,
        fields: BTreeSet<String>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let dataset = self::dataset(dataset)?;
        let filter = core::EntryFilter { by_pop, names, fields };
        ENCODER.with_borrow_mut(|encoder| {
            let entry = py.detach(|| encoder.encode_part(&self.inner, dataset, &filter));
            let bytes = PyBytes::new(py, entry);
            encoder.shrink();
            Ok(bytes)
        })
    }
}

#[pyclass(frozen, module = "edgetally._core")]
pub struct KeptPops {
    inner: Mutex<core::KeptPops>,
}

#[pymethods]
impl KeptPops {
    #[new]
    fn new() -> Self {
        Self { inner: Mutex::default() }
    }

    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
    fn add(&self, py: Python<'_>, sealed: Vec<Py<Sealed>>, forget: u64) {
        py.detach(|| {
            let mut kept = locked(&self.inner);
            for one in &sealed {
                kept.add(&one.get().inner);
            }
            kept.forget(forget);
        });
    }

    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
    fn of(&self, py: Python<'_>, services: Vec<String>, after: u64) -> Vec<String> {
        py.detach(|| {
            let kept = locked(&self.inner);
            kept.of(services.iter().map(String::as_str), after).into_iter().map(str::to_owned).collect()
        })
    }
}

/// The domains of some sealed seconds: at most `most`, those of the first seconds.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
pub fn domain_names(py: Python<'_>, sealed: Vec<Py<Sealed>>, most: usize) -> PyResult<Bound<'_, PyList>> {
    let names = py.detach(|| core::domain_names(sealed.iter().map(|one| &one.get().inner), most));
    PyList::new(py, names)
}
