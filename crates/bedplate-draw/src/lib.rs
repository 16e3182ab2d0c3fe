//! Draws a build graph as text: a graphviz file, or an SVG picture that needs no other program.
//!
//! ```text
//! Drawing ── to_dot ──▶ digraph, a cluster for each wave
//!    │
//!    └── to_svg ──▶ up to 150 nodes: waves from left to right, every edge a line that passes no box
//!                   more:            waves from top to bottom, each a panel of boxes that opens and closes
//! ```
//!
//! The waves come from the caller; nothing is computed about builds here. The same drawing gives the same bytes, always.
//! Text may hold anything: characters that a format cannot have, or that would reorder text around them, are left out.

mod dot;
mod drawing;
mod layered;
mod order;
mod place;
mod plan;
mod svg;
mod text;

pub use dot::to_dot;
pub use drawing::{Drawing, DrawingError, Edge, EdgeClass, Node, NodeClass};
pub use svg::{SvgOptions, to_svg, to_svg_with};
