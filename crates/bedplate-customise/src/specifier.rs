//! systemd's specifiers (`%b`, `%o`, …) as far as they are known before an image boots.

use crate::{CustomiseError, Editor, OsRelease};

/// What specifiers of configuration files stand for in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Specifiers {
    release: OsRelease,
    architecture: String,
}

/// Which specifiers a kind of file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vocabulary {
    /// Those of sysusers.d(5): facts of the image, and temporary folders.
    Users,
    /// Those of tmpfiles.d(5): also the folders of the system, and the user who runs it.
    Files,
}

/// Why a specifier has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpecifierError {
    /// systemd has no such specifier.
    #[error("`%{0}` is no specifier")]
    Unknown(char),
    /// It is known only on the booted machine: machine id, boot id, host name, kernel.
    #[error("`%{0}` is known only when the image boots")]
    AtBoot(char),
    /// The text ends after a percent sign.
    #[error("a single `%` ends the text")]
    Cut,
}

impl Specifiers {
    /// Those of an image: its os-release, and its architecture in the words of rpm (`x86_64`) or of systemd (`x86-64`).
    ///
    /// # Errors
    ///
    /// If os-release cannot be read.
    pub fn of(editor: &Editor<'_>, architecture: &str) -> Result<Self, CustomiseError> {
        let architecture = match architecture {
            "x86_64" => "x86-64",
            "aarch64" => "arm64",
            other => other,
        };
        Ok(Self { release: OsRelease::of(editor)?, architecture: architecture.to_owned() })
    }

    /// The text with all specifiers replaced.
    ///
    /// # Errors
    ///
    /// If one has no value.
    pub fn expand(&self, text: &str, vocabulary: Vocabulary) -> Result<String, SpecifierError> {
        let mut out = String::with_capacity(text.len());
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            if character != '%' {
                out.push(character);
                continue;
            }
            let letter = characters.next().ok_or(SpecifierError::Cut)?;
            let release = |name: &str| self.release.get(name).unwrap_or("");
            if vocabulary == Vocabulary::Users && "gGuUhCLSt".contains(letter) {
                return Err(SpecifierError::Unknown(letter));
            }
            out.push_str(match letter {
                '%' => "%",
                'a' => &self.architecture,
                'A' => release("IMAGE_VERSION"),
                'B' => release("BUILD_ID"),
                'M' => release("IMAGE_ID"),
                'o' => release("ID"),
                'w' => release("VERSION_ID"),
                'W' => release("VARIANT_ID"),
                'g' | 'u' => "root",
                'G' | 'U' => "0",
                'h' => "/root",
                'C' => "/var/cache",
                'L' => "/var/log",
                'S' => "/var/lib",
                't' => "/run",
                'T' => "/tmp",
                'V' => "/var/tmp",
                'b' | 'H' | 'l' | 'm' | 'q' | 'v' => return Err(SpecifierError::AtBoot(letter)),
                _ => return Err(SpecifierError::Unknown(letter)),
            });
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Image;

    #[test]
    fn stands_for_what_the_image_is() {
        let mut image = Image::new();
        image.file("/usr/lib/os-release", "ID=node\nVERSION_ID=3\n");
        let specifiers = image.edit(|editor| Specifiers::of(editor, "x86_64").unwrap());
        for (text, want) in [
            ("%S/%o-%w%%", Ok("/var/lib/node-3%")),
            ("%a%W", Ok("x86-64")),
            ("/var/log/%m", Err(SpecifierError::AtBoot('m'))),
            ("%!", Err(SpecifierError::Unknown('!'))),
            ("x%", Err(SpecifierError::Cut)),
        ] {
            assert_eq!(specifiers.expand(text, Vocabulary::Files), want.map(str::to_owned), "{text}");
        }
        assert_eq!(specifiers.expand("%S", Vocabulary::Users), Err(SpecifierError::Unknown('S')));
    }
}
