//! What is in a binary package: an `ar` archive with a packed tar archive in it.
//!
//! ```text
//! !<arch>\n
//! debian-binary   "2.0\n"
//! control.tar.*   fields and scripts
//! data.tar.*      the files: plain, gz, xz or zst
//! ```

use std::fs::File;
use std::io::{self, BufReader, Read, Take};
use std::path::Path;

use flate2::read::GzDecoder;
use liblzma::read::XzDecoder;

/// The files of a binary package, as a tar archive that is read once, front to back.
///
/// # Errors
/// If the file cannot be read, or is no binary package.
pub fn deb_data(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    member(path, "data.tar")
}

/// The control fields of a binary package, as the author of the package wrote them.
///
/// # Errors
/// If the file cannot be read, or is no binary package.
pub fn deb_control(path: &Path) -> io::Result<String> {
    let mut archive = tar::Archive::new(member(path, "control.tar")?);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.path()?.file_name().is_some_and(|name| name == "control") {
            let mut text = String::new();
            entry.read_to_string(&mut text)?;
            return Ok(text);
        }
    }
    Err(bad("it has no control fields"))
}

/// A packed tar archive in a package.
fn member(path: &Path, wanted: &str) -> io::Result<Box<dyn Read + Send>> {
    let mut file = BufReader::with_capacity(1 << 18, File::open(path)?);
    let mut magic = [0; 8];
    file.read_exact(&mut magic).map_err(cut)?;
    if &magic != b"!<arch>\n" {
        return Err(bad("it does not begin as a package does"));
    }
    loop {
        let (name, size) = header(&mut file)?;
        if let Some(packing) = name.strip_prefix(wanted) {
            return unpacked(packing, file.take(size));
        }
        // Members begin at even places.
        let skipped = size + size % 2;
        if io::copy(&mut (&mut file).take(skipped), &mut io::sink())? < skipped {
            return Err(cut(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

/// Name and size of the next member.
fn header(file: &mut impl Read) -> io::Result<(String, u64)> {
    let mut header = [0; 60];
    file.read_exact(&mut header).map_err(cut)?;
    let text = std::str::from_utf8(&header).map_err(|_| bad("the header of a member is no text"))?;
    let name = text.get(..16).unwrap_or_default().trim_end().trim_end_matches('/');
    let size = text.get(48..58).unwrap_or_default().trim_end().parse();
    match (size, &header[58..]) {
        (Ok(size), b"`\n") => Ok((name.to_owned(), size)),
        _ => Err(bad("the header of a member is broken")),
    }
}

fn unpacked(packing: &str, data: Take<BufReader<File>>) -> io::Result<Box<dyn Read + Send>> {
    Ok(match packing {
        "" => Box::new(data),
        ".gz" => Box::new(GzDecoder::new(data)),
        ".xz" => Box::new(XzDecoder::new(data)),
        ".zst" => Box::new(zstd::Decoder::new(data)?),
        other => return Err(bad(&format!("its files are packed as `{other}`, which is not known"))),
    })
}

fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no good package of Debian: {why}"))
}

fn cut(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof { bad("it ends before its files") } else { error }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn member(name: &str, content: &[u8]) -> Vec<u8> {
        let mut all = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, content.len()).into_bytes();
        all.extend(content);
        all.resize(all.len() + content.len() % 2, b'\n');
        all
    }

    fn read(content: &[u8]) -> Result<Vec<u8>, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let mut found = Vec::new();
        let read = deb_data(file.path()).and_then(|mut data| data.read_to_end(&mut found));
        read.map(|_| found).map_err(|error| error.to_string())
    }

    #[test]
    fn files_are_unpacked_whatever_they_are_packed_with() {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(b"the files").unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
        xz.write_all(b"the files").unwrap();
        let zst = zstd::encode_all(&b"the files"[..], 1).unwrap();
        for (name, data) in [
            ("data.tar", b"the files".to_vec()),
            ("data.tar.gz/", gz.finish().unwrap()),
            ("data.tar.xz", xz.finish().unwrap()),
            ("data.tar.zst", zst),
        ] {
            let deb = [b"!<arch>\n".to_vec(), member("debian-binary", b"2.0"), member(name, &data), member("x", b"y")];
            assert_eq!(read(&deb.concat()), Ok(b"the files".to_vec()), "{name}");
        }
    }

    #[test]
    fn control_fields_are_read() {
        let mut control = tar::Builder::new(Vec::new());
        for (name, text) in [("./postinst", "exit 1\n"), ("./control", "Package: a\n")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            control.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        let control = control.into_inner().unwrap();
        let deb = [b"!<arch>\n".to_vec(), member("debian-binary", b"2.0\n"), member("control.tar", &control)].concat();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&deb).unwrap();
        assert_eq!(deb_control(file.path()).unwrap(), "Package: a\n");
        assert!(deb_data(file.path()).is_err());
    }

    #[test]
    fn what_is_no_package_is_refused() {
        let begin = [b"!<arch>\n".to_vec(), member("debian-binary", b"2.0\n")].concat();
        let mut broken = begin.clone();
        broken[8 + 48] = b'x';
        for (content, why) in [
            (b"<html>not found</html>".to_vec(), "it does not begin as a package does"),
            (b"!<arc".to_vec(), "it ends before its files"),
            (begin.clone(), "it ends before its files"),
            (begin[..70].to_vec(), "it ends before its files"),
            (broken, "the header of a member is broken"),
            ([begin, member("data.tar.lzma", b"")].concat(), "packed as `.lzma`"),
        ] {
            let error = read(&content).unwrap_err();
            assert!(error.starts_with("no good package of Debian: ") && error.contains(why), "{error}");
        }
    }
}
