//! The rules, asked through the front door: a route, a header, an answer.

mod algorithms;
mod attacks;
mod audiences;
mod denying;
mod discovering;
mod explaining;
mod files;
mod introspecting;
mod issuers;
mod kinds;
mod log;
mod own;
mod people;
mod providers;
mod remembering;
mod restarting;
mod shapes;
mod starting;
mod times;
