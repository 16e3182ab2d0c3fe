//! Writes a drawing of a generated graph to standard output: `sample [COUNT] [svg|dot]`.

use std::io::Write as _;

use bedplate_draw::{to_dot, to_svg};

#[path = "../tests/it/sample.rs"]
mod sample;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(50);
    let drawing = sample::sample(count);
    let picture = if arguments.next().as_deref() == Some("dot") { to_dot(&drawing) } else { to_svg(&drawing) };
    std::io::stdout().write_all(picture.as_bytes())
}
