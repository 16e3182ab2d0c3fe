//! Build graphs of small worlds.

mod cycles;
mod property;
mod resolve;
mod why;
mod world;
