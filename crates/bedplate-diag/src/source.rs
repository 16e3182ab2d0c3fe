//! Texts that spans point into.

use std::sync::{Arc, OnceLock};

/// Names one text of a [`Sources`] collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// A range of bytes of one source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The text.
    pub source: SourceId,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte; equal to `start` for a place between two bytes.
    pub end: u32,
}

impl Span {
    /// Makes the span of `start..end` in `source`; offsets beyond 4 GiB are cut.
    pub fn new(source: SourceId, start: usize, end: usize) -> Self {
        let cut = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { source, start: cut(start), end: cut(end.max(start)) }
    }
}

/// A line and a column, both counted from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineColumn {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// One text with the name that a user knows it by.
#[derive(Debug)]
pub struct Source {
    name: Arc<str>,
    text: Arc<str>,
    line_starts: OnceLock<Vec<u32>>,
}

impl Source {
    /// Makes a source; `name` is usually a path.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), text: text.into(), line_starts: OnceLock::new() }
    }

    /// The name that is printed before line and column.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    fn line_starts(&self) -> &[u32] {
        self.line_starts.get_or_init(|| {
            let newlines = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(newlines.map(|(at, _)| u32::try_from(at + 1).unwrap_or(u32::MAX))).collect()
        })
    }

    /// The line (from 1) and column (from 1) of a byte offset; an offset past the end is the end.
    pub fn line_column(&self, offset: u32) -> LineColumn {
        let starts = self.line_starts();
        let line = starts.partition_point(|start| *start <= offset).max(1);
        let start = starts[line - 1] as usize;
        let mut end = (offset as usize).min(self.text.len()).max(start);
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let column = self.text[start..end].chars().count() + 1;
        LineColumn { line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) }
    }

    /// Offset of the first byte of a line (from 1); the end of the text for a line that is not there.
    pub fn line_start(&self, line: u32) -> u32 {
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.line_starts().get(line.max(1) as usize - 1).copied().unwrap_or(end)
    }

    /// The span of a whole line (from 1) without its newline.
    pub fn line_span(&self, id: SourceId, line: u32) -> Span {
        let start = self.line_start(line) as usize;
        let end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
        Span::new(id, start, end)
    }
}

/// The texts of one run: a shared base (macro files) and those of one spec.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    base: Arc<Vec<Arc<Source>>>,
    own: Vec<Arc<Source>>,
}

impl Sources {
    /// An empty collection.
    pub fn new() -> Self {
        Self::default()
    }

    /// A collection that continues a shared one: ids of the base stay valid.
    pub fn with_base(base: Arc<Vec<Arc<Source>>>) -> Self {
        Self { base, own: Vec::new() }
    }

    /// Adds a text and gives its id. A text that is read again keeps its id, so that a mistake in it is the same mistake.
    pub fn add(&mut self, source: Source) -> SourceId {
        let same = self.own.iter().position(|one| one.name == source.name && one.text == source.text);
        let at = same.unwrap_or_else(|| {
            self.own.push(Arc::new(source));
            self.own.len() - 1
        });
        SourceId(u32::try_from(self.base.len() + at).unwrap_or(u32::MAX))
    }

    /// Takes in the texts of another collection over the same base; gives what its spans are here.
    pub fn absorb(&mut self, other: Self) -> impl Fn(Span) -> Span + use<> {
        let base = self.base.len();
        let shift = u32::try_from(self.own.len()).unwrap_or(u32::MAX);
        self.own.extend(other.own);
        move |span| {
            let is_shared = (span.source.0 as usize) < base;
            if is_shared { span } else { Span { source: SourceId(span.source.0.saturating_add(shift)), ..span } }
        }
    }

    /// The text of an id, if the id is of this collection.
    pub fn get(&self, id: SourceId) -> Option<&Arc<Source>> {
        let at = id.0 as usize;
        self.base.get(at).or_else(|| self.own.get(at.checked_sub(self.base.len())?))
    }

    /// All texts, base first, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.base.iter().chain(self.own.iter())
    }

    /// The span cut to its text and widened to whole characters. Places in expanded text lead back to the file only nearly
    /// where a line was joined of several.
    pub fn fit(&self, span: Span) -> Span {
        let Some(source) = self.get(span.source) else { return span };
        let text = source.text();
        let (mut start, mut end) = ((span.start as usize).min(text.len()), (span.end as usize).min(text.len()));
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        while !text.is_char_boundary(end) {
            end += 1;
        }
        Span::new(span.source, start, end)
    }

    /// The name, line and column of the start of a span.
    pub fn locate(&self, span: Span) -> Option<(&str, LineColumn)> {
        let source = self.get(span.source)?;
        Some((source.name(), source.line_column(span.start)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_and_column_count_from_one_in_characters() {
        let source = Source::new("a.spec", "Name: x\nSummary: ä b\n");
        assert_eq!(source.line_column(0), LineColumn { line: 1, column: 1 });
        assert_eq!(source.line_column(8), LineColumn { line: 2, column: 1 });
        assert_eq!(source.line_column(20), LineColumn { line: 2, column: 12 });
        assert_eq!(source.line_column(999), LineColumn { line: 3, column: 1 });
        assert_eq!(source.line_start(2), 8);
    }

    #[test]
    fn ids_continue_a_shared_base() {
        let base = Arc::new(vec![Arc::new(Source::new("macros", "%a b"))]);
        let mut sources = Sources::with_base(base);
        let id = sources.add(Source::new("x.spec", "Name: x"));
        assert_eq!(id, SourceId(1));
        assert_eq!(sources.get(SourceId(0)).map(|s| s.name().to_owned()).as_deref(), Some("macros"));
        assert_eq!(sources.get(id).map(|s| s.name().to_owned()).as_deref(), Some("x.spec"));
        assert!(sources.get(SourceId(2)).is_none());
    }

    #[test]
    fn a_collection_takes_in_another() {
        let base = Arc::new(vec![Arc::new(Source::new("macros", "%a b"))]);
        let mut all = Sources::with_base(Arc::clone(&base));
        all.add(Source::new("x.spec", "x"));
        let mut other = Sources::with_base(base);
        let id = other.add(Source::new("y.spec", "y"));
        let here = all.absorb(other);
        assert_eq!(here(Span::new(SourceId(0), 1, 2)).source, SourceId(0));
        let span = here(Span::new(id, 0, 1));
        assert_eq!(all.locate(span).map(|(name, _)| name), Some("y.spec"));
    }
}
