//! `NAME.signatures.json`, as the specs of Azure Linux have it: names and hashes, no places and no sizes.
//!
//! ```text
//! { "Signatures": { "zlib-1.3.1.tar.xz": "38ef…", … } }
//! ```

use std::fmt;

use bedplate_diag::{Diagnostic, Note, SourceId, Span, nearest};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::Sha256;
use crate::list::{Pin, SourceFile, SourceList, bad_name};

const SIGNATURES: &str = "Signatures";

impl SourceList {
    /// Reads the text of a `NAME.signatures.json`. It names no places: those of the spec's URLs join in
    /// [`crate::Package::new`].
    ///
    /// # Errors
    /// All that is wrong with it; a text that is no JSON is not looked at further.
    pub fn parse_signatures(source: SourceId, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let top: Json = serde_json::from_str(text).map_err(|error| {
            let at = offset(text, error.line(), error.column());
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default().to_owned();
            vec![Diagnostic::error("bad-json", message).at(Span::new(source, at, at))]
        })?;
        let mut reading = Reading { source, text, from: 0, list: Self::default(), mistakes: Vec::new() };
        reading.top(top);
        if reading.mistakes.is_empty() { Ok(reading.list) } else { Err(reading.mistakes) }
    }
}

/// What is needed of JSON: objects as lists, in their order, so that a key that stands twice shows.
enum Json {
    Object(Vec<(String, Json)>),
    Text(String),
    Other,
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Json::Object(pairs))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Json::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Other)
    }
}

/// A text that is being read, front to back: its parser says what stands in it, not where.
struct Reading<'a> {
    source: SourceId,
    text: &'a str,
    /// Everything before is read.
    from: usize,
    list: SourceList,
    mistakes: Vec<Diagnostic>,
}

impl Reading<'_> {
    fn top(&mut self, top: Json) {
        let start = Span::new(self.source, 0, 0);
        let Json::Object(pairs) = top else {
            return self.wrong(
                "wrong-type",
                "the file is an object: `{\"Signatures\": {\"FILE\": \"SHA-256\"}}`",
                start,
            );
        };
        let mut is_there = false;
        for (key, value) in pairs {
            let at = self.next(&key);
            match value {
                Json::Object(files) if key == SIGNATURES => {
                    is_there = true;
                    files.into_iter().for_each(|(name, hash)| self.file(name, hash));
                }
                _ if key == SIGNATURES => {
                    is_there = true;
                    self.wrong("wrong-type", "`Signatures` is an object: `{\"FILE\": \"SHA-256\"}`", at);
                }
                value => {
                    let hint = match nearest(&key, [SIGNATURES]) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "the only key here is `Signatures`".to_owned(),
                    };
                    self.mistakes.push(
                        Diagnostic::error("unknown-key", format!("unknown key `{}`", key.escape_default()))
                            .at(at)
                            .hint(hint),
                    );
                    self.skip(&value);
                }
            }
        }
        if !is_there {
            self.wrong("missing-key", "the file has no `Signatures`", start);
        }
    }

    fn file(&mut self, name: String, hash: Json) {
        let at = self.next(&name);
        let Json::Text(hash) = hash else {
            self.skip(&hash);
            let message = format!("the hash of `{}` is a text in quotes", name.escape_default());
            return self.wrong("wrong-type", message, at);
        };
        let hash_at = self.next(&hash);
        let before = self.mistakes.len();
        if let Some(why) = bad_name(&name) {
            self.wrong("bad-name", format!("`{}` is no file name: {why}", name.escape_default()), at);
        }
        let sha256 = hash.parse::<Sha256>();
        if let Err(why) = &sha256 {
            self.wrong("bad-hash", why.to_string(), hash_at);
        }
        if let Some(first) = self.list.file(&name) {
            let note = Note { message: "first here".to_owned(), span: Some(first.at.name) };
            let mut twice = Diagnostic::error("duplicate-name", format!("`{name}` is there twice")).at(at);
            twice.notes.push(note);
            self.mistakes.push(twice);
        }
        if let (Ok(sha256), true) = (sha256, self.mistakes.len() == before) {
            let at = Pin { name: at, sha256: hash_at, size: None };
            self.list.files.push(SourceFile { name, sha256, size: None, places: Vec::new(), at });
        }
    }

    fn wrong(&mut self, code: &'static str, message: impl Into<String>, at: Span) {
        self.mistakes.push(Diagnostic::error(code, message).at(at));
    }

    /// The place of the next text in quotes, which says `word`. A text with escapes is found by its quotes alone.
    fn next(&mut self, word: &str) -> Span {
        let quoted = serde_json::to_string(word).unwrap_or_default();
        let rest = &self.text[self.from..];
        let start = self.from + rest.find(&quoted).or_else(|| rest.find('"')).unwrap_or(0);
        let end = (start + quoted.len()).min(self.text.len());
        let end = (end..=self.text.len()).find(|end| self.text.is_char_boundary(*end)).unwrap_or(end);
        self.from = end;
        Span::new(self.source, start, end)
    }

    /// Passes over a value that is not of use.
    fn skip(&mut self, value: &Json) {
        match value {
            Json::Object(pairs) => {
                for (key, value) in pairs {
                    self.next(key);
                    self.skip(value);
                }
            }
            Json::Text(text) => {
                self.next(text);
            }
            Json::Other => {}
        }
    }
}

/// The offset of a line and column, both from 1; the column counts bytes.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut at = (start + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use bedplate_diag::{Source, Sources};

    use super::*;

    /// What a text is read as: names and the start of hashes, or mistakes with their lines and columns.
    fn read(text: &str) -> Vec<String> {
        let mut sources = Sources::new();
        let id = sources.add(Source::new("x.signatures.json", text));
        match SourceList::parse_signatures(id, text) {
            Ok(list) => list.files.iter().map(|file| format!("{} {:.4}", file.name, file.sha256.to_string())).collect(),
            Err(mistakes) => mistakes
                .iter()
                .map(|one| {
                    let (_, at) = sources.locate(one.span.unwrap()).unwrap();
                    format!("{}:{} {}: {}", at.line, at.column, one.code, one.message)
                })
                .collect(),
        }
    }

    #[test]
    fn names_and_hashes_are_read_and_all_mistakes_found() {
        let hash = Sha256::of(b"").to_string();
        let good = format!("{{\n \"Signatures\": {{\n  \"a.tar.gz\": \"{hash}\",\n  \"b.patch\": \"{hash}\"\n }}\n}}");
        assert_eq!(read(&good), ["a.tar.gz e3b0", "b.patch e3b0"]);
        let bad = format!(
            "{{\n \"Signatures\": {{\n  \"a\": \"{hash}\",\n  \"b\": \"12\",\n  \"c/d\": \"{hash}\",\n  \"a\": \"{hash}\",\n  \"e\": [1]\n }},\n \"Signature\": 1\n}}"
        );
        assert_eq!(
            read(&bad),
            [
                "4:8 bad-hash: `12` is no SHA-256 digest: those are 64 hexadecimal digits",
                "5:3 bad-name: `c/d` is no file name: it is a path: the name alone is meant, as the spec's last part has it",
                "6:3 duplicate-name: `a` is there twice",
                "7:3 wrong-type: the hash of `e` is a text in quotes",
                "9:2 unknown-key: unknown key `Signature`",
            ]
        );
        assert_eq!(read("{}"), ["1:1 missing-key: the file has no `Signatures`"]);
        assert_eq!(read("[]").len(), 1);
        assert_eq!(read("{\n \"Signatures\": {\n  \"a\" \"b\"\n }\n}"), ["3:7 bad-json: expected `:`"]);
        assert_eq!(
            read("{\"Signatures\": 3}"),
            ["1:2 wrong-type: `Signatures` is an object: `{\"FILE\": \"SHA-256\"}`"]
        );
    }
}
