//! Upstream's program.
