//! The journal of a cluster.

use std::sync::Mutex;

use edgetally_core as core;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyBytesMethods};

use crate::locked;

/// The longest name of a writer and the longest digest of terms.
const MAX_SEAL_BYTES: usize = 255;

fn id(bytes: &[u8]) -> PyResult<core::Id> {
    bytes.try_into().map_err(|_| PyValueError::new_err(format!("expected an id of 16 bytes, got {}", bytes.len())))
}

fn check_partitions(partitions: u32) -> PyResult<()> {
    if partitions == 0 { Err(PyValueError::new_err("expected 1 partition or more, got 0")) } else { Ok(()) }
}

#[pyfunction]
pub fn partition(service_id: &str, partitions: u32) -> PyResult<u32> {
    check_partitions(partitions)?;
    Ok(core::partition(service_id, partitions))
}

#[pyfunction]
#[pyo3(signature = (sections, *, born, attempt, partitions, max_bytes=core::MAX_ENVELOPE_BYTES))]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
pub fn envelopes<'py>(
    py: Python<'py>,
    sections: Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>,
    born: u64,
    attempt: u64,
    partitions: u32,
    max_bytes: usize,
) -> PyResult<Vec<(u32, Bound<'py, PyBytes>)>> {
    check_partitions(partitions)?;
    let sections = sections.iter().map(|(id, partial)| Ok((self::id(id.as_bytes())?, partial.as_bytes())));
    let sections = sections.collect::<PyResult<Vec<_>>>()?;
    let envelopes = py.detach(|| core::envelopes(&sections, born, attempt, partitions, max_bytes));
    let envelopes = envelopes.map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(envelopes.into_iter().map(|(partition, envelope)| (partition, PyBytes::new(py, &envelope))).collect())
}

#[pyfunction]
#[pyo3(signature = (second, *, writer, terms))]
pub fn seal_envelope<'py>(py: Python<'py>, second: u64, writer: &str, terms: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let len = writer.len().max(terms.len());
    if len > MAX_SEAL_BYTES {
        return Err(PyValueError::new_err(format!("expected at most {MAX_SEAL_BYTES} bytes, got {len}")));
    }
    Ok(PyBytes::new(py, &core::seal_envelope(second, writer, terms)))
}

#[pyfunction]
#[pyo3(signature = (born, appended, *, horizon))]
pub fn refusal(born: u64, appended: u64, horizon: u64) -> Option<&'static str> {
    core::Refusal::of(born, appended, horizon).map(core::Refusal::name)
}

#[pyclass(frozen, module = "edgetally._core")]
pub struct LogReader {
    inner: Mutex<core::LogReader>,
}

#[pymethods]
impl LogReader {
    #[new]
    #[pyo3(signature = (*, horizon, aggregate_delay, is_beginning))]
    fn new(horizon: u32, aggregate_delay: u64, is_beginning: bool) -> Self {
        Self { inner: Mutex::new(core::LogReader::new(horizon, aggregate_delay, is_beginning)) }
    }

    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
    fn read(&self, py: Python<'_>, envelope: Bound<'_, PyBytes>, appended: u64) -> PyResult<Reading> {
        let envelope = envelope.as_bytes();
        let reading = py.detach(|| locked(&self.inner).read(envelope, appended));
        let reading = reading.map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Reading {
            partial: PyBytes::new(py, &reading.partial).unbind(),
            seal: reading.seal.map(|seal| Py::new(py, LogSeal::new(py, seal))).transpose()?,
            copies: reading.copies,
            refused: reading.refused,
            is_foreign: reading.is_foreign,
        })
    }

    fn start_merging(&self, ahead: u64) -> u64 {
        locked(&self.inner).start_merging(ahead)
    }

    fn has(&self, partial_id: &[u8]) -> PyResult<bool> {
        Ok(locked(&self.inner).has(&id(partial_id)?))
    }

    #[getter]
    fn is_merging(&self) -> bool {
        locked(&self.inner).is_merging()
    }

    #[getter]
    fn missing(&self) -> u64 {
        locked(&self.inner).missing()
    }

    #[getter]
    fn needed(&self) -> u32 {
        locked(&self.inner).needed()
    }

    #[getter]
    fn effective(&self) -> Option<u64> {
        locked(&self.inner).effective()
    }

    #[getter]
    fn appended(&self) -> u64 {
        locked(&self.inner).appended()
    }

    #[getter]
    fn ids(&self) -> usize {
        locked(&self.inner).ids()
    }

    #[getter]
    fn held_bytes(&self) -> usize {
        locked(&self.inner).held_bytes()
    }
}

#[pyclass(frozen, get_all, module = "edgetally._core")]
pub struct Reading {
    partial: Py<PyBytes>,
    seal: Option<Py<LogSeal>>,
    copies: usize,
    refused: usize,
    is_foreign: bool,
}

#[pyclass(frozen, get_all, module = "edgetally._core")]
pub struct LogSeal {
    second: u64,
    effective: u64,
    is_news: bool,
    writer: String,
    terms: Py<PyBytes>,
}

impl LogSeal {
    fn new(py: Python<'_>, seal: core::LogSeal) -> Self {
        let core::LogSeal { second, effective, is_news, writer, terms } = seal;
        Self { second, effective, is_news, writer, terms: PyBytes::new(py, &terms).unbind() }
    }
}
