//! Alternatives: which of several packages `/usr/bin/awk` and the like lead to.
//!
//! dpkg keeps a file for each name, made by the scripts of all packages that are installed:
//!
//! ```text
//! auto                     or `manual`
//! /usr/bin/awk             the link, which leads to /etc/alternatives/awk
//! nawk                     a link that goes along: its name, and where it is
//! /usr/bin/nawk
//!                          an empty line
//! /usr/bin/gawk            a choice, its priority, and what goes along, in the order above; an empty line if it has none
//! 10
//! /usr/bin/gawk
//!                          an empty line at the end
//! ```
//!
//! Each choice belongs to the package of its file. What is chosen in a root depends only on the packages of that root: the
//! highest priority, then the name of the package.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A choice of an alternative.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Choice {
    /// Name of the alternative: `awk`.
    pub(crate) name: String,
    /// The link and those that go along with it.
    pub(crate) links: Vec<Link>,
    /// The highest wins.
    pub(crate) priority: i64,
}

/// A link of an alternative.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    /// Its name in `/etc/alternatives`.
    pub(crate) name: String,
    /// Where it is: `/usr/bin/awk`.
    pub(crate) path: String,
    /// Where it leads in the end: `/usr/bin/gawk`.
    pub(crate) target: String,
}

/// Reads the choices of a file; nothing if it is none of the kind.
pub(crate) fn parse(name: &str, text: &str) -> Option<Vec<Choice>> {
    let mut lines = text.lines();
    let status = lines.next()?;
    if !matches!(status, "auto" | "manual") {
        return None;
    }
    let mut places = vec![(name, lines.next()?)];
    loop {
        match lines.next()? {
            "" => break,
            name => places.push((name, lines.next()?)),
        }
    }
    let mut choices = Vec::new();
    loop {
        match lines.next()? {
            "" => return Some(choices),
            target => {
                let priority = lines.next()?.parse().ok()?;
                let mut targets = vec![target];
                for _ in 1..places.len() {
                    targets.push(lines.next()?);
                }
                let links = places.iter().zip(targets).filter(|(_, target)| !target.is_empty());
                let links = links.map(|((name, path), target)| Link {
                    name: (*name).to_owned(),
                    path: (*path).to_owned(),
                    target: target.to_owned(),
                });
                choices.push(Choice { name: name.to_owned(), links: links.collect(), priority });
            }
        }
    }
}

/// The choices that win, given all choices of some packages.
pub(crate) fn chosen<'a>(choices: impl IntoIterator<Item = (&'a str, &'a Choice)>) -> Vec<&'a Choice> {
    let mut best: BTreeMap<&str, (&str, &Choice)> = BTreeMap::new();
    for (package, choice) in choices {
        let rank = |(package, choice): (&'a str, &'a Choice)| (std::cmp::Reverse(choice.priority), package);
        let best = best.entry(&choice.name).or_insert((package, choice));
        if rank((package, choice)) < rank(*best) {
            *best = (package, choice);
        }
    }
    best.into_values().map(|(_, choice)| choice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWK: &str = "auto\n/usr/bin/awk\nawk.1.gz\n/usr/share/man/man1/awk.1.gz\nnawk\n/usr/bin/nawk\n\n\
                       /usr/bin/gawk\n10\n/usr/share/man/man1/gawk.1.gz\n/usr/bin/gawk\n/usr/bin/mawk\n5\n\n/usr/bin/mawk\n\n";

    fn link(name: &str, path: &str, target: &str) -> Link {
        Link { name: name.to_owned(), path: path.to_owned(), target: target.to_owned() }
    }

    #[test]
    fn choices_are_read_off_dpkg() {
        let choices = parse("awk", AWK).unwrap();
        assert_eq!(choices.len(), 2);
        assert_eq!((choices[0].priority, choices[0].links.len()), (10, 3));
        assert_eq!(
            choices[1].links,
            [link("awk", "/usr/bin/awk", "/usr/bin/mawk"), link("nawk", "/usr/bin/nawk", "/usr/bin/mawk")]
        );
        assert_eq!(parse("cc", "auto\n/usr/bin/cc\n\n/usr/bin/gcc\n20\n\n").unwrap().len(), 1);
        for cut in ["", "what\n", "auto\n/usr/bin/cc\n", "auto\n/usr/bin/cc\n\n/usr/bin/gcc\n"] {
            assert_eq!(parse("cc", cut), None, "{cut:?}");
        }
        assert_eq!(parse("cc", &AWK.replace("10", "ten")), None);
    }

    #[test]
    fn the_highest_priority_of_the_packages_that_are_there_wins() {
        let [gawk, mawk] = parse("awk", AWK).unwrap().try_into().unwrap();
        let target = |choices: &[(&'static str, &Choice)]| {
            let choices: Vec<(&str, &Choice)> = choices.to_vec();
            chosen(choices).iter().map(|one| one.links[0].target.clone()).collect::<Vec<_>>()
        };
        assert_eq!(target(&[("mawk", &mawk), ("gawk", &gawk)]), ["/usr/bin/gawk"]);
        assert_eq!(target(&[("mawk", &mawk)]), ["/usr/bin/mawk"]);
        let same = Choice { priority: 10, ..mawk };
        assert_eq!(target(&[("b", &gawk), ("a", &same)]), ["/usr/bin/mawk"]);
    }
}
