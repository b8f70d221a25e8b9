//! Keys that got out: found where they do not belong, and told of.

mod drill;
mod intake;
mod scan;
