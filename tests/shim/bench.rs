//! What a shim costs, in counts.
