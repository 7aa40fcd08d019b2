//! How lines are written.

use edgetally_core as core;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

pub fn format(name: &str) -> PyResult<core::Format> {
    core::Format::named(name).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// The fields of a format: where each is in a line, and which field of a record it fills.
#[pyfunction]
pub fn format_fields(name: &str) -> PyResult<Vec<(&'static str, &'static str)>> {
    Ok(format(name)?.fields().collect())
}

/// Raises `ValueError` if a fold cannot read the format.
#[pyfunction]
pub fn check_format(name: &str) -> PyResult<()> {
    format(name).map(|_| ())
}

/// Every known cache word, and what it counts as.
#[pyfunction]
pub fn cache_words() -> Vec<(&'static str, &'static str)> {
    core::CACHE_WORDS.into_iter().map(|(word, status)| (word, status.name())).collect()
}

/// The format that finds the most fields in some lines.
#[pyfunction]
pub fn detect_format(lines: &[u8]) -> Option<&'static str> {
    core::detect_format(lines)
}

/// The names of all formats.
#[pyfunction]
pub fn formats() -> Vec<&'static str> {
    core::Format::names().collect()
}
