//! Why a name does not name a format.

use std::fmt;

use crate::format::registry::FORMATS;

/// Why a name does not name a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormatError {
    /// No format has this name.
    Unknown(String),
    /// Columns were chosen for this format, whose lines are objects.
    WithoutColumns(&'static str),
    /// A chosen column is not a field of the format.
    UnknownColumn {
        /// The format.
        format: &'static str,
        /// The column.
        column: String,
    },
    /// The column of the status was not chosen.
    WithoutStatus {
        /// The format.
        format: &'static str,
        /// The column that has the status.
        column: &'static str,
    },
}

impl fmt::Display for FormatError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                let names = FORMATS.map(|spec| spec.name).join(", ");
                write!(out, "unknown format '{}' (expected one of: {names})", name.escape_debug())
            }
            Self::WithoutColumns(name) => write!(out, "{name} has no columns to choose (expected just: {name})"),
            Self::UnknownColumn { format, column } => {
                write!(out, "{format} has no field '{}' (use - for a column to ignore)", column.escape_debug())
            }
            Self::WithoutStatus { format, column } => write!(out, "{format} needs the column {column}"),
        }
    }
}

impl std::error::Error for FormatError {}
