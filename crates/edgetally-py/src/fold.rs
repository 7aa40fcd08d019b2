//! The fold and its reports.

use std::borrow::Cow;
use std::sync::Mutex;

use edgetally_core as core;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyBytesMethods};

use crate::format::format;
use crate::locked;

#[pyclass(frozen, module = "edgetally._core")]
pub struct Fold {
    inner: Mutex<core::Fold>,
}

#[pymethods]
impl Fold {
    #[new]
    #[pyo3(signature = (
        *, service_id="default", pop="local", services=None, max_line=262_144, max_lateness=None, max_ahead=None, framing="lines",
        format="canonical", weight=1
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn new(
        service_id: &str,
        pop: &str,
        services: Option<Vec<String>>,
        max_line: usize,
        max_lateness: Option<u64>,
        max_ahead: Option<u64>,
        framing: &str,
        format: &str,
        weight: u64,
    ) -> PyResult<Self> {
        let framing = core::Framing::named(framing).ok_or_else(|| PyKeyError::new_err(framing.to_owned()))?;
        let format = self::format(format)?;
        let settings = core::Settings {
            service_id: service_id.to_owned(),
            pop: pop.to_owned(),
            services,
            max_line,
            max_lateness,
            max_ahead,
            framing,
            format,
            weight,
        };
        Ok(Self { inner: Mutex::new(core::Fold::new(settings)) })
    }

    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
    fn feed(&self, py: Python<'_>, block: Bound<'_, PyBytes>, now: u64) {
        let block = block.as_bytes();
        py.detach(|| locked(&self.inner).feed(block, now));
    }

    fn finish(&self, py: Python<'_>, now: u64) {
        py.detach(|| locked(&self.inner).finish(now));
    }

    fn drain<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let partial = py.detach(|| locked(&self.inner).drain());
        PyBytes::new(py, &partial)
    }

    fn drain_with_report<'py>(&self, py: Python<'py>) -> (Bound<'py, PyBytes>, Report) {
        let (partial, report) = py.detach(|| {
            let mut fold = locked(&self.inner);
            (fold.drain(), fold.report())
        });
        (PyBytes::new(py, &partial), report.into())
    }

    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
    fn fold_all<'py>(
        &self,
        py: Python<'py>,
        inputs: Vec<Vec<Bound<'py, PyBytes>>>,
        now: u64,
        max_bytes: usize,
    ) -> Option<(Bound<'py, PyBytes>, Vec<Report>)> {
        let inputs: Vec<Vec<&[u8]>> =
            inputs.iter().map(|blocks| blocks.iter().map(PyBytesMethods::as_bytes).collect()).collect();
        let (partial, reports) = py.detach(|| locked(&self.inner).fold_all(&inputs, now, max_bytes))?;
        Some((PyBytes::new(py, &partial), reports.into_iter().map(Report::from).collect()))
    }

    fn report(&self) -> Report {
        locked(&self.inner).report().into()
    }

    #[getter]
    fn size(&self) -> usize {
        locked(&self.inner).size()
    }

    #[getter]
    fn wrapper(&self) -> Option<&'static str> {
        locked(&self.inner).wrapper().map(core::Wrapper::name)
    }

    #[getter]
    fn pending(&self) -> Vec<u8> {
        locked(&self.inner).pending()
    }

    fn resume(&self, pending: &[u8]) {
        locked(&self.inner).resume(pending);
    }

    #[getter]
    fn line(&self) -> u64 {
        locked(&self.inner).line()
    }

    #[getter]
    fn unfinished(&self) -> usize {
        locked(&self.inner).unfinished()
    }
}

#[pyclass(frozen, get_all, module = "edgetally._core")]
pub struct Report {
    lines: u64,
    accepted: u64,
    rejected: Vec<(&'static str, u64)>,
    rejections: Vec<Rejection>,
    without_time: u64,
    with_wrapper_time: u64,
    unknown_cache_words: Vec<(String, u64)>,
}

impl From<core::Report> for Report {
    fn from(report: core::Report) -> Self {
        let core::Report {
            lines,
            accepted,
            rejected,
            rejections,
            without_time,
            with_wrapper_time,
            unknown_cache_words,
        } = report;
        let reasons = core::Reason::ALL.iter().zip(rejected).filter(|(_, count)| *count > 0);
        Self {
            lines,
            accepted,
            rejected: reasons.map(|(reason, count)| (reason.code(), count)).collect(),
            rejections: rejections.into_iter().map(|inner| Rejection { inner }).collect(),
            without_time,
            with_wrapper_time,
            unknown_cache_words: unknown_cache_words.words(),
        }
    }
}

#[pyclass(frozen, eq, module = "edgetally._core")]
#[derive(Clone, PartialEq)]
pub struct Rejection {
    inner: core::RejectedLine,
}

#[pymethods]
impl Rejection {
    #[new]
    #[pyo3(signature = (*, line, reason, at, sample))]
    fn new(line: u64, reason: &str, at: usize, sample: &[u8]) -> PyResult<Self> {
        let reason = core::Reason::named(reason).ok_or_else(|| PyKeyError::new_err(reason.to_owned()))?;
        let sample = sample.to_vec();
        Ok(Self { inner: core::RejectedLine { line, reason, at, sample, is_after_array: false, distance: None } })
    }

    #[getter]
    fn line(&self) -> u64 {
        self.inner.line
    }

    #[getter]
    fn reason(&self) -> &'static str {
        self.inner.reason.code()
    }

    #[getter]
    fn sentence(&self) -> Cow<'static, str> {
        self.inner.sentence()
    }

    #[getter]
    fn at(&self) -> usize {
        self.inner.at
    }

    #[getter]
    fn sample(&self) -> &[u8] {
        &self.inner.sample
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let sample = PyBytes::new(py, &self.inner.sample).repr()?;
        let (line, reason, at) = (self.inner.line, self.inner.reason.code(), self.inner.at);
        Ok(format!("Rejection(line={line}, reason='{reason}', at={at}, sample={sample})"))
    }
}
