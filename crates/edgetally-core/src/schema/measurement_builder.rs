//! Builds the measurements of a dataset, field by field.

use crate::schema::counters::{compute, delivery, origin};
use crate::schema::dataset::Dataset;
use crate::schema::formula::{COMPUTE, Formula, Measurement};
use crate::schema::status::{FAMILY, Status, indexes_of_range};

/// Codes that have a field in every dataset.
pub(super) const COMMON: [u16; 16] = [200, 204, 301, 302, 304, 400, 401, 403, 404, 416, 500, 501, 502, 503, 504, 505];
/// Codes that `origin_insights` counts only in their range.
pub(super) const DETAILED: [u16; 3] = [206, 429, 530];

/// A table of measurements that grows.
pub(super) struct MeasurementBuilder {
    dataset: Dataset,
    pub table: Vec<Measurement>,
}

impl MeasurementBuilder {
    /// An empty table.
    pub fn of(dataset: Dataset) -> Self {
        Self { dataset, table: vec![] }
    }

    pub fn push(&mut self, name: &str, description: &str, formula: Formula) {
        let (name, description) = (name.to_owned(), description.to_owned());
        self.table.push(Measurement { dataset: self.dataset, name, description, formula, is_always_shown: false });
    }

    pub fn sum(&mut self, name: &str, description: &str, counters: Vec<usize>) {
        self.push(name, description, Formula::Sum(counters));
    }

    /// Another name of the field `name`, which is in the table already.
    pub fn alias(&mut self, alias: &str, name: &str) {
        let formula = self.table.iter().find(|one| one.name == name).map(|one| one.formula.clone());
        self.push(alias, &format!("The same as `{name}`."), formula.expect("it was added before"));
    }

    /// The fields of statuses: one per code and one per range, each the sum over the families that start at `bases`.
    pub fn statuses(&mut self, prefix: &str, what: &str, codes: &[u16], bases: &[usize]) {
        for code in codes {
            let counter = Status::new(u64::from(*code)).expect("the table names real statuses").index();
            let description = format!("Responses with status {code} {what}.");
            self.sum(&format!("{prefix}_{code}"), &description, bases.iter().map(|base| base + counter).collect());
        }
        for range in 1..=5 {
            let counters =
                bases.iter().flat_map(|base| indexes_of_range(range).map(move |counter| base + counter)).collect();
            self.sum(
                &format!("{prefix}_{range}xx"),
                &format!("Responses with status {range}00 to {range}99 {what}."),
                counters,
            );
        }
    }

    /// The versions of HTTP and TLS.
    pub fn protocols(&mut self) {
        use delivery as at;
        self.sum("http2", "Requests over HTTP/2.", vec![at::HTTP2]);
        self.sum("http3", "Requests over HTTP/3.", vec![at::HTTP3]);
        for (name, version, counter) in [
            ("tls_v10", "1.0", at::TLS_V10),
            ("tls_v11", "1.1", at::TLS_V11),
            ("tls_v12", "1.2", at::TLS_V12),
            ("tls_v13", "1.3", at::TLS_V13),
        ] {
            self.sum(name, &format!("Requests over TLS {version}."), vec![counter]);
        }
    }

    /// What edge-compute programs served; `requests` is the name of their number.
    pub fn compute(&mut self, requests: &str) {
        use compute as at;
        for (name, description, counter) in [
            (requests, "Requests that edge-compute programs served.", at::REQUESTS),
            ("compute_req_header_bytes", "Header bytes that compute received from clients.", at::REQ_HEADER_BYTES),
            ("compute_req_body_bytes", "Body bytes that compute received from clients.", at::REQ_BODY_BYTES),
            ("compute_resp_header_bytes", "Header bytes that compute sent to clients.", at::RESP_HEADER_BYTES),
            ("compute_resp_body_bytes", "Body bytes that compute sent to clients.", at::RESP_BODY_BYTES),
            ("compute_execution_time_ms", "CPU time that compute took, in milliseconds.", at::EXECUTION_TIME_MS),
            ("compute_request_time_ms", "Time that compute requests took, in milliseconds.", at::REQUEST_TIME_MS),
            (
                "compute_request_time_billed_ms",
                "Time that compute requests took, each rounded up to 50 milliseconds.",
                at::REQUEST_TIME_BILLED_MS,
            ),
            ("compute_bereqs", "Requests that compute sent to backends.", at::BEREQS),
            ("compute_bereq_errors", "Requests of compute that got no response.", at::BEREQ_ERRORS),
            ("compute_bereq_header_bytes", "Header bytes that compute sent to backends.", at::BEREQ_HEADER_BYTES),
            ("compute_bereq_body_bytes", "Body bytes that compute sent to backends.", at::BEREQ_BODY_BYTES),
            (
                "compute_beresp_header_bytes",
                "Header bytes that compute received from backends.",
                at::BERESP_HEADER_BYTES,
            ),
            ("compute_beresp_body_bytes", "Body bytes that compute received from backends.", at::BERESP_BODY_BYTES),
        ] {
            self.sum(name, description, vec![COMPUTE + counter]);
        }
    }

    /// The statuses that edge-compute programs sent.
    pub fn compute_statuses(&mut self, codes: &[u16]) {
        let (codes, base) = ([codes, &[103]].concat(), COMPUTE + compute::STATUS);
        self.statuses("compute_resp_status", "sent to clients by compute", &codes, &[base]);
    }

    /// The fields that every dataset of origins has.
    pub fn responses(&mut self, prefix: &str, of: &str, codes: &[u16], bases: &[usize]) {
        let at = |counter: usize| bases.iter().map(|base| base + counter).collect::<Vec<_>>();
        let all = bases.iter().flat_map(|base| (0..FAMILY).map(move |counter| base + origin::STATUS + counter));
        self.sum(&format!("{prefix}responses"), &format!("Responses {of}."), all.collect());
        for (name, what, counter) in
            [("header", "Header", origin::RESP_HEADER_BYTES), ("body", "Body", origin::RESP_BODY_BYTES)]
        {
            self.sum(&format!("{prefix}resp_{name}_bytes"), &format!("{what} bytes of responses {of}."), at(counter));
        }
        self.statuses(&format!("{prefix}status"), of, codes, &at(origin::STATUS));
    }
}
