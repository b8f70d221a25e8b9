//! Each specification in a module of its own.

mod golden;
