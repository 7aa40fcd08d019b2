//! Marks of lines in parts, as shippers and log drivers write them.
//!
//! ```text
//! {"log":"{\"ts\":…","stream":"stdout","_p":"P"}                                       Fluent Bit, of CRI
//! {"log":"{\"ts\":…","partial_message":"true","partial_last":"false"}                 Docker's fluentd driver
//! {"MESSAGE":"{\"ts\":…","CONTAINER_PARTIAL_MESSAGE":"true"}                          Docker's journald driver, Podman
//! {"message":"{\"ts\":…","_partial":true}                                             Vector
//! ```

use crate::wrapper::parts::SourceHash;

/// Whether an envelope holds a whole line or a part of one.
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

/// Where the line of an envelope is from.
#[derive(Debug, Default)]
pub struct SourceMarks {
    /// Of all members that say so.
    members: SourceHash,
    /// Of the id that all parts of a line share.
    id: Option<SourceHash>,
}

impl SourceMarks {
    /// Reads a member.
    pub fn read(&mut self, name: &[u8], value: &[u8]) {
        if is_source(name) {
            self.members.add(value);
        } else if matches!(name, b"partial_id" | b"CONTAINER_PARTIAL_ID") {
            let mut id = SourceHash::default();
            id.add(value);
            self.id = Some(id);
        }
    }

    /// Where the line is from.
    pub fn hash(&self, is_stderr: bool) -> SourceHash {
        self.id.unwrap_or_else(|| self.members.of_stream(is_stderr))
    }
}

/// Whether a member called `name` says which container, file or host a line is from.
fn is_source(name: &[u8]) -> bool {
    matches!(
        name,
        b"container_id"
            | b"container_name"
            | b"CONTAINER_ID"
            | b"CONTAINER_ID_FULL"
            | b"CONTAINER_NAME"
            | b"kubernetes"
            | b"docker"
            | b"container"
            | b"attrs"
            | b"file"
            | b"filename"
            | b"path"
            | b"tag"
            | b"host"
            | b"hostname"
            | b"_HOSTNAME"
            | b"source"
    )
}
