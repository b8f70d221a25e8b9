//! Requirements by number, each shown once from the outside, as whoever asked for it would see it.
//! Where a specification has its own tests in depth, they are in `oauth` and `security`.

mod backups;
mod delegation;
mod erasure;
mod holders;
mod key_files;
mod key_format;
mod key_text;
mod keys;
mod process;
mod request_log;
mod secrets;
mod sources;
mod tokens;
mod weather;
