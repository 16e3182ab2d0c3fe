//! A JSON object whose keys are taken one by one.

use serde_json::{Map, Value as Json};

use super::draft::Draft;

/// An object, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    path: String,
    left: Map<String, Json>,
}

impl Reader {
    pub(super) fn new(path: String, json: Json) -> Option<Self> {
        if let Json::Object(left) = json { Some(Self { path, left }) } else { None }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The JSON path of a key.
    pub(super) fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// A text that stays.
    pub(super) fn peek_text(&self, key: &str) -> Option<String> {
        self.left.get(key)?.as_str().map(str::to_owned)
    }

    /// Takes a key that has a meaning, whatever its value.
    pub(super) fn forget(&mut self, key: &str) {
        self.left.remove(key);
    }

    fn take<T>(&mut self, key: &str, want: &str, draft: &mut Draft, of: impl FnOnce(Json) -> Option<T>) -> Option<T> {
        let json = self.left.remove(key).filter(|json| !json.is_null())?;
        let value = of(json);
        if value.is_none() {
            draft.dropped(&self.at(key), format!("it is not {want}"));
        }
        value
    }

    /// A text; an empty one is as good as none.
    pub(super) fn text(&mut self, key: &str, draft: &mut Draft) -> Option<String> {
        let text = self.take(key, "a text", draft, |json| json.as_str().map(str::to_owned))?;
        (!text.trim().is_empty()).then_some(text)
    }

    pub(super) fn is_true(&mut self, key: &str, draft: &mut Draft) -> bool {
        self.take(key, "true or false", draft, |json| json.as_bool()).unwrap_or(false)
    }

    pub(super) fn number(&mut self, key: &str, draft: &mut Draft) -> Option<u64> {
        self.take(key, "a number", draft, |json| json.as_u64())
    }

    /// A number that may stand in quotes, as ids do.
    pub(super) fn number_or_text(&mut self, key: &str, draft: &mut Draft) -> Option<i64> {
        self.take(key, "a number", draft, |json| match json {
            Json::String(text) if text.trim().is_empty() => Some(None),
            Json::String(text) => text.trim().parse().ok().map(Some),
            json => json.as_i64().map(Some),
        })?
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, key: &str, draft: &mut Draft) -> Vec<String> {
        let of = |json: Json| {
            let list = json.as_array()?.iter().map(|item| item.as_str().map(str::to_owned));
            list.collect::<Option<Vec<String>>>()
        };
        self.take(key, "a list of texts", draft, of).unwrap_or_default()
    }

    /// An object.
    pub(super) fn object(&mut self, key: &str, draft: &mut Draft) -> Option<Self> {
        let path = self.at(key);
        self.take(key, "an object", draft, |json| Self::new(path, json))
    }

    /// A list of objects.
    pub(super) fn list(&mut self, key: &str, draft: &mut Draft) -> Vec<Self> {
        let path = self.at(key);
        let of = |json: Json| {
            let Json::Array(items) = json else { return None };
            let one = |(at, item)| Self::new(format!("{path}[{at}]"), item);
            items.into_iter().enumerate().map(one).collect::<Option<Vec<Self>>>()
        };
        self.take(key, "a list of objects", draft, of).unwrap_or_default()
    }

    /// All keys that are left, with their values; keys that begin with `_` are comments.
    pub(super) fn rest(&mut self) -> Vec<(String, Json)> {
        let rest = std::mem::take(&mut self.left);
        rest.into_iter().filter(|(key, _)| !key.starts_with('_')).collect()
    }

    /// Says of a key, if it is there and switched on, why it is not taken.
    pub(super) fn drop(&mut self, key: &str, why: &str, draft: &mut Draft) {
        if self.left.remove(key).is_some_and(|json| !is_off(&json)) {
            draft.dropped(&self.at(key), why);
        }
    }

    /// Reports what nobody took.
    pub(super) fn finish(mut self, draft: &mut Draft) {
        for (key, json) in self.rest() {
            if !is_off(&json) {
                draft.dropped(&self.at(&key), "bedplate does not know this key");
            }
        }
    }
}

/// True for values that say as much as an absent key.
fn is_off(json: &Json) -> bool {
    match json {
        Json::Null | Json::Bool(false) => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(map) => map.is_empty(),
        _ => false,
    }
}
