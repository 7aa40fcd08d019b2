//! `edgetally._core`: the Python face of `edgetally-core`.
//!
//! This crate translates and decides nothing. An `if` that is not about Python belongs in `edgetally-core`, where it can be
//! tested without an interpreter. Two things happen only here:
//!
//! * The GIL is released around every call that takes long.
//! * Rust errors become Python exceptions.

mod cluster;
mod fold;
mod format;
mod history;
mod ranking;
mod schema;
mod series;
mod window;

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;

/// A panic while the lock was held has reached Python as an exception already, and the state is still sound.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The Rust half of Edgetally. `_core.pyi` has its types and documentation.
#[pymodule(gil_used = false)]
mod _core {
    use edgetally_core as core;

    #[pymodule_export]
    use crate::cluster::{LogReader, LogSeal, Reading, envelopes, partition, refusal, seal_envelope};
    #[pymodule_export]
    use crate::fold::{Fold, Rejection, Report};
    #[pymodule_export]
    use crate::format::{cache_words, check_format, detect_format, format_fields, formats};
    #[pymodule_export]
    use crate::history::{
        HistoryQuery, Rollup, counter_rows, history_lines, merge_minutes, names_in, pack, pack_twice, sealed_periods,
        summed_chunks,
    };
    #[pymodule_export]
    use crate::ranking::{KeptSeries, columns, ranked_names, ranking};
    #[pymodule_export]
    use crate::schema::{measurements, reasons};
    #[pymodule_export]
    use crate::series::{Scrape, SeriesTotals};
    #[pymodule_export]
    use crate::window::{KeptPops, Sealed, Window, domain_names};

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "as Python has it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
    #[pymodule_export]
    const MAX_WEIGHT: u64 = core::MAX_WEIGHT;
    #[pymodule_export]
    const MAX_POP_BYTES: usize = core::MAX_POP_BYTES;
    #[pymodule_export]
    const MAX_SERVICE_ID_BYTES: usize = core::MAX_SERVICE_ID_BYTES;
    #[pymodule_export]
    const INVALID: &str = core::INVALID;
    #[pymodule_export]
    const OTHER: &str = core::OTHER;
    #[pymodule_export]
    const AGGREGATE: &str = core::AGGREGATE;
    #[pymodule_export]
    const ENVELOPE_VERSION: u8 = core::ENVELOPE_VERSION;
    #[pymodule_export]
    const MAX_ENVELOPE_BYTES: usize = core::MAX_ENVELOPE_BYTES;
    #[pymodule_export]
    const PARTIAL_VERSION: u8 = core::partial::VERSION;
    #[pymodule_export]
    const PLACEMENT_VERSION: u8 = core::PLACEMENT_VERSION;
}
