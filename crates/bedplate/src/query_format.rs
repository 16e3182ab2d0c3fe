//! `--format`: rpm's query formats over the packages of a spec.
//!
//! `%{TAG}` is a value, `[…]` repeats its inside for each element of the arrays in it, `%{=TAG}` repeats a single value
//! in there, `\n` and `\t` are what they are in C, `%%` is a percent sign. A width may stand after the percent sign.

use bedplate_model::DependencyKind;
use bedplate_spec::{Package, Tag};

use crate::outcome::Failure;

/// A format that was taken apart.
#[derive(Debug, Clone)]
pub(crate) struct QueryFormat {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Value { tag: String, width: i64, repeats: bool },
    Each(Vec<Self>),
}

/// The values of a tag: one, or one for each element.
enum Values {
    One(String),
    Many(Vec<String>),
    None,
}

const NAMES: &str = "NAME VERSION RELEASE EPOCH EVR NVR NVRA NEVR NEVRA ARCH SUMMARY DESCRIPTION LICENSE GROUP URL VENDOR PACKAGER \
                     DISTRIBUTION REQUIRES PROVIDES CONFLICTS OBSOLETES RECOMMENDS SUGGESTS SUPPLEMENTS ENHANCES ORDER \
                     CHANGELOGTIME CHANGELOGNAME CHANGELOGTEXT PREFIXES";

impl QueryFormat {
    /// Takes a format apart.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let mut at = 0;
        let parts = parse_parts(text, &mut at, false)?;
        Ok(Self { parts })
    }

    /// The text for one package. `arch` is what names with an architecture end in: `src` for a source package.
    pub(crate) fn render(&self, package: &Package, arch: &str) -> String {
        let mut out = String::new();
        render_parts(&self.parts, package, arch, None, &mut out);
        out
    }
}

fn fault(text: &str, at: usize, message: &str) -> Failure {
    Failure::input(format!("bad format at column {}: {message}: {text}", text[..at].chars().count() + 1))
        .hint("`bedplate spec query --help` shows examples")
}

fn parse_parts(text: &str, at: &mut usize, inside: bool) -> Result<Vec<Part>, Failure> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let start = *at;
    while let Some(c) = text[*at..].chars().next() {
        let here = *at;
        *at += c.len_utf8();
        match c {
            '\\' => {
                let next = text[*at..].chars().next();
                *at += next.map_or(0, char::len_utf8);
                literal.push(match next {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('r') => '\r',
                    Some(other) => other,
                    None => '\\',
                });
            }
            '%' if text[*at..].starts_with('%') => {
                *at += 1;
                literal.push('%');
            }
            '%' => {
                let digits = text[*at..].find('{').ok_or_else(|| fault(text, here, "`{` expected after `%`"))?;
                let width = &text[*at..*at + digits];
                let width =
                    if width.is_empty() { 0 } else { width.parse().map_err(|_| fault(text, here, "bad width"))? };
                let name_start = *at + digits + 1;
                let end = text[name_start..].find('}').ok_or_else(|| fault(text, here, "missing `}`"))? + name_start;
                let name = &text[name_start..end];
                let repeats = name.starts_with('=');
                let tag = name.trim_start_matches('=').split(':').next().unwrap_or_default().to_ascii_uppercase();
                let known = NAMES.split_whitespace().any(|known| known == tag)
                    || ["NEVRS", "NAME", "S"].iter().find_map(|suffix| tag.strip_suffix(suffix)).is_some_and(|stem| {
                        NAMES.split_whitespace().any(|known| known == stem || known == format!("{stem}S"))
                    });
                if !known {
                    let near = bedplate_diag::nearest(&tag, NAMES.split_whitespace());
                    let failure = fault(text, here, &format!("unknown tag `{tag}`"));
                    return Err(match near {
                        Some(near) => failure.hint(format!("did you mean `{near}`?")),
                        None => failure.hint(format!("the tags are {NAMES}")),
                    });
                }
                *at = end + 1;
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                }
                parts.push(Part::Value { tag, width, repeats });
            }
            '[' if !inside => {
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                }
                parts.push(Part::Each(parse_parts(text, at, true)?));
            }
            ']' if inside => {
                if !literal.is_empty() {
                    parts.push(Part::Text(literal));
                }
                return Ok(parts);
            }
            other => literal.push(other),
        }
    }
    if inside {
        return Err(fault(text, start.saturating_sub(1), "`[` is not closed"));
    }
    if !literal.is_empty() {
        parts.push(Part::Text(literal));
    }
    Ok(parts)
}

fn render_parts(parts: &[Part], package: &Package, arch: &str, element: Option<usize>, out: &mut String) {
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Value { tag, width, .. } => {
                let value = match values(package, arch, tag) {
                    Values::One(text) => text,
                    Values::Many(list) => {
                        list.get(element.unwrap_or(0)).cloned().unwrap_or_else(|| "(none)".to_owned())
                    }
                    Values::None => "(none)".to_owned(),
                };
                let pad = usize::try_from(width.abs()).unwrap_or(0).saturating_sub(value.chars().count());
                let blanks = " ".repeat(pad.min(4096));
                if *width > 0 {
                    out.push_str(&blanks);
                }
                out.push_str(&value);
                if *width < 0 {
                    out.push_str(&blanks);
                }
            }
            Part::Each(inner) => {
                let count = inner.iter().filter_map(|part| match part {
                    Part::Value { tag, repeats: false, .. } => Some(match values(package, arch, tag) {
                        Values::One(_) => 1,
                        Values::Many(list) => list.len(),
                        Values::None => 0,
                    }),
                    _ => None,
                });
                for element in 0..count.max().unwrap_or(1) {
                    render_parts(inner, package, arch, Some(element), out);
                }
            }
        }
    }
}

fn values(package: &Package, arch: &str, tag: &str) -> Values {
    let text = |tag| match package.tags.text(tag) {
        Some(text) => Values::One(bedplate_diag::text::escape_invalid(text)),
        None => Values::None,
    };
    let plain = |tag| package.tags.text(tag).unwrap_or_default();
    let evr = package.evr();
    let vr = format!("{}-{}", plain(Tag::Version), plain(Tag::Release));
    let name = package.name();
    match tag {
        "NAME" => text(Tag::Name),
        "VERSION" => text(Tag::Version),
        "RELEASE" => text(Tag::Release),
        "EPOCH" => package.tags.number(Tag::Epoch).map_or(Values::None, |epoch| Values::One(epoch.to_string())),
        "EVR" => Values::One(evr),
        "NVR" => Values::One(format!("{name}-{vr}")),
        "NVRA" => Values::One(format!("{name}-{vr}.{arch}")),
        "NEVR" => Values::One(format!("{name}-{evr}")),
        "NEVRA" => Values::One(format!("{name}-{evr}.{arch}")),
        "ARCH" => text(Tag::Arch),
        "SUMMARY" => text(Tag::Summary),
        "DESCRIPTION" => text(Tag::Description),
        "LICENSE" => text(Tag::License),
        "GROUP" => text(Tag::Group),
        "URL" => text(Tag::Url),
        "VENDOR" => text(Tag::Vendor),
        "PACKAGER" => text(Tag::Packager),
        "DISTRIBUTION" => text(Tag::Distribution),
        "PREFIXES" => Values::Many(package.tags.words(Tag::Prefixes).to_vec()),
        "CHANGELOGTIME" => Values::Many(package.changelog.iter().map(|entry| entry.time.to_string()).collect()),
        "CHANGELOGNAME" => Values::Many(package.changelog.iter().map(|entry| entry.name.clone()).collect()),
        "CHANGELOGTEXT" => Values::Many(package.changelog.iter().map(|entry| entry.text.clone()).collect()),
        _ => dependency_values(package, tag),
    }
}

fn dependency_values(package: &Package, tag: &str) -> Values {
    use DependencyKind as D;
    let (stem, names_only) = match tag.strip_suffix("NEVRS") {
        Some(stem) => (stem, false),
        None => (tag.strip_suffix("NAME").or_else(|| tag.strip_suffix('S')).unwrap_or(tag), true),
    };
    let kind = match stem {
        "REQUIRE" => D::Requires,
        "PROVIDE" => D::Provides,
        "CONFLICT" => D::Conflicts,
        "OBSOLETE" => D::Obsoletes,
        "RECOMMEND" => D::Recommends,
        "SUGGEST" => D::Suggests,
        "SUPPLEMENT" => D::Supplements,
        "ENHANCE" => D::Enhances,
        "ORDER" => D::Order,
        _ => return Values::None,
    };
    let list: Vec<String> = package
        .dependencies(kind)
        .into_iter()
        .flat_map(|set| set.iter())
        .map(|one| {
            if names_only || one.sense.relation().is_empty() {
                one.name.clone()
            } else {
                format!("{} {} {}", one.name, one.sense.relation(), one.evr)
            }
        })
        .collect();
    if list.is_empty() { Values::None } else { Values::Many(list) }
}
