//! Our own endpoints behind limits.
