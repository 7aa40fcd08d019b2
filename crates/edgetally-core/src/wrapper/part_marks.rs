//! Marks of lines in parts, as shippers and log drivers write them.
//!
//! ```text
//! {"log":"{\"ts\":…","stream":"stdout","_p":"P"}                                       Fluent Bit, of CRI
//! {"log":"{\"ts\":…","partial_message":"true","partial_last":"false"}                 Docker's fluentd driver
//! {"MESSAGE":"{\"ts\":…","CONTAINER_PARTIAL_MESSAGE":"true"}                          Docker's journald driver, Podman
//! {"message":"{\"ts\":…","_partial":true}                                             Vector
//! ```

/// What an envelope says of a line that may be in parts.
#[derive(Debug, Default)]
pub struct PartMarks {
    /// Whether the line goes on in another envelope; nothing if no member says so.
    pub is_part: Option<bool>,
    /// Whether a member says if this is the last part: it wins.
    has_last: bool,
}

impl PartMarks {
    /// Reads a member; returns whether it is one of these marks.
    pub fn read(&mut self, name: &[u8], value: &[u8]) -> bool {
        let is_true = value.eq_ignore_ascii_case(b"true");
        match name {
            // The tag of CRI, as shippers keep it.
            b"logtag" | b"_p" => self.is_part = Some(value.starts_with(b"P")),
            b"partial_last" | b"CONTAINER_PARTIAL_LAST" => (self.is_part, self.has_last) = (Some(!is_true), true),
            b"partial_message" | b"CONTAINER_PARTIAL_MESSAGE" | b"_partial" if self.has_last => {}
            b"partial_message" | b"CONTAINER_PARTIAL_MESSAGE" | b"_partial" => self.is_part = Some(is_true),
            _ => return false,
        }
        true
    }
}

/// Whether a member called `name` is a mark of a part.
pub fn is_part_mark(name: &[u8]) -> bool {
    PartMarks::default().read(name, b"")
}
