//! The datasets and their measurements, and the reasons to reject a line.

use edgetally_core as core;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;

pub fn dataset(name: &str) -> PyResult<core::Dataset> {
    core::Dataset::named(name).ok_or_else(|| PyKeyError::new_err(name.to_owned()))
}

/// Name, description, what its values are and whether it is always shown, of every measurement of a dataset.
#[pyfunction]
pub fn measurements(dataset: &str) -> PyResult<Vec<(&'static str, &'static str, &'static str, bool)>> {
    let table = core::measurements(self::dataset(dataset)?);
    Ok(table.iter().map(|one| (&*one.name, &*one.description, one.formula.kind(), one.is_always_shown)).collect())
}

/// Code and sentence of every reason to reject a line.
#[pyfunction]
pub fn reasons() -> Vec<(&'static str, &'static str)> {
    core::Reason::ALL.iter().map(|reason| (reason.code(), reason.sentence())).collect()
}
