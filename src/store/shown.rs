//! SQL of values as the API shows them, for rows that become JSON inside SQL.

/// A time in milliseconds in RFC 3339, null where there is none.
macro_rules! time {
    ($column:literal) => {
        concat!("strftime('%Y-%m-%dT%H:%M:%fZ', ", $column, " / 1000.0, 'unixepoch')")
    };
}

/// A stored 1, 0 or null as JSON's `true`, `false` or `null`.
macro_rules! truth {
    ($column:literal) => {
        concat!("json(CASE ", $column, " WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE 'null' END)")
    };
}

/// Stored JSON, or null.
macro_rules! stored {
    ($column:literal) => {
        concat!("json(coalesce(", $column, ", 'null'))")
    };
}

pub(crate) use {stored, time, truth};
