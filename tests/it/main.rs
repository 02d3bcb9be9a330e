//! Stories about the whole program, one file for each subject. They run the real binary and see only what a stranger would: sockets,
//! output, exit codes. `tidy` and `ledger` are about this repository itself.

mod audiences;
mod identity_headers;
mod keys;
mod providers;
mod setting;
mod start;
mod tokens;
