//! The pages that people use, through a browser: sign-in, consent, their own account.

mod account;
mod consent;
mod forms;
mod headers;
mod health;
mod keys;
mod nodes;
mod sign_in;
mod throttle;
