//! XML catalogs: which file of the root stands for `http://docbook.org/xml/…`.
//!
//! The scripts of packages write a catalog each, `/etc/xml/PACKAGE.xml`, and lines into a common one, `/etc/xml/catalog`:
//!
//! ```text
//! <delegatePublic publicIdStartString="-//OASIS//DTD DocBook XML" catalog="file:///etc/xml/docbook-xml.xml"/>
//! ```
//!
//! The first belong to their packages; the common one is put together anew for each root from the lines of its packages.

/// The common catalog.
pub(crate) const COMMON: &str = "etc/xml/catalog";

/// The package that an XML catalog is of, by its path.
pub(crate) fn package_of(path: &str) -> Option<&str> {
    path.strip_prefix("etc/xml/")?.strip_suffix(".xml")
}

/// The lines of a common catalog that lead to catalogs of packages, with these packages.
pub(crate) fn lines(catalog: &str) -> impl Iterator<Item = (&str, &str)> {
    catalog.lines().map(str::trim).filter(|line| line.starts_with("<delegate")).filter_map(|line| {
        let (_, path) = line.split_once("catalog=\"file:///")?;
        Some((package_of(path.split('"').next()?)?, line))
    })
}

/// The common catalog of these lines; none if there are none.
pub(crate) fn common<'a>(lines: impl IntoIterator<Item = &'a String>) -> Option<String> {
    let mut lines: Vec<&String> = lines.into_iter().collect();
    lines.sort();
    if lines.is_empty() {
        return None;
    }
    // No document type: nothing has to be looked up to read the catalog.
    let mut text =
        "<?xml version=\"1.0\"?>\n<catalog xmlns=\"urn:oasis:names:tc:entity:xmlns:xml:catalog\">\n".to_owned();
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str("</catalog>\n");
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_to_their_packages_and_come_together_again() {
        let of_xsl = "<delegateURI uriStartString=\"http://d/\" catalog=\"file:///etc/xml/docbook-xsl.xml\"/>";
        let of_xml = "<delegatePublic publicIdStartString=\"-//O\" catalog=\"file:///etc/xml/docbook-xml.xml\"/>";
        let text =
            format!("<?xml version=\"1.0\"?>\n<catalog xmlns=\"x\">\n  {of_xsl}\n{of_xml}\n<other/>\n</catalog>\n");
        let found: Vec<(&str, &str)> = lines(&text).collect();
        assert_eq!(found, [("docbook-xsl", of_xsl), ("docbook-xml", of_xml)]);
        let all: Vec<String> = found.iter().map(|(_, line)| (*line).to_owned()).collect();
        let again = common(&all).unwrap();
        assert_eq!(lines(&again).collect::<Vec<_>>(), [("docbook-xml", of_xml), ("docbook-xsl", of_xsl)]);
        assert_eq!(common(&[]), None);
    }
}
