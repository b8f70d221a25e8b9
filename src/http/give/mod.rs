//! Replies: what goes out of the edge.

pub mod details;
pub mod device;
pub mod document;
pub mod page;
pub mod pages;
pub mod problem;
pub mod rate_limit;
