//! The formats of disk images, by name.

use std::fmt;
use std::str::FromStr;

/// A format of disk images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// The bytes of the disk; holes are holes of the file.
    Raw,
    /// The bytes of the disk in frames of zstd, with a table of them at the end.
    RawZstd,
    /// VHD of fixed size: the bytes of the disk and a footer. The one that Azure takes.
    VhdFixed,
    /// VHD that has only blocks with data.
    VhdDynamic,
    /// VHDX that has only blocks with data.
    Vhdx,
    /// QCOW2, version 3, that has only clusters with data; they are compressed if the target has a level.
    Qcow2,
}

impl Format {
    /// All, in the order of their names.
    pub const ALL: [Self; 6] = [Self::Qcow2, Self::Raw, Self::RawZstd, Self::VhdDynamic, Self::VhdFixed, Self::Vhdx];

    /// Its name in image configs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::RawZstd => "raw.zst",
            Self::VhdFixed => "vhd-fixed",
            Self::VhdDynamic => "vhd-dynamic",
            Self::Vhdx => "vhdx",
            Self::Qcow2 => "qcow2",
        }
    }

    /// What its files end in, without a dot in front.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::RawZstd => "raw.zst",
            Self::VhdFixed | Self::VhdDynamic => "vhd",
            Self::Vhdx => "vhdx",
            Self::Qcow2 => "qcow2",
        }
    }

    /// Whether a compression level means something to it.
    pub(crate) fn is_compressible(self) -> bool {
        matches!(self, Self::RawZstd | Self::Qcow2)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that is no name of a format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no format of disk images: there are qcow2, raw, raw.zst, vhd-dynamic, vhd-fixed and vhdx")]
pub struct FormatError(String);

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        Self::ALL.into_iter().find(|format| format.name() == text).ok_or_else(|| FormatError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_have_names() {
        for format in Format::ALL {
            assert_eq!(format.name().parse::<Format>().unwrap(), format);
        }
        let message = "vhd".parse::<Format>().unwrap_err().to_string();
        assert!(Format::ALL.iter().all(|format| message.contains(format.name())), "{message}");
    }
}
