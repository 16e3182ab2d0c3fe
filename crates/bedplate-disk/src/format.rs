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
    /// QCOW2, version 3, that has only clusters with data; they are packed if the target says so.
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

    /// Why a packing is not one of the format, if it is not.
    pub(crate) fn refusal(self, packing: Packing) -> Option<&'static str> {
        match (self, packing) {
            (Self::RawZstd | Self::Qcow2, Packing::Zstd(0..=19)) => None,
            (Self::RawZstd | Self::Qcow2, Packing::Zstd(_)) => Some("levels go from 1 to 19, and 0 is the usual one"),
            (Self::Qcow2, Packing::Zlib(0..=9)) => None,
            (Self::Qcow2, Packing::Zlib(_)) => Some("levels go from 1 to 9, and 0 is the usual one"),
            (Self::RawZstd, Packing::Zlib(_)) => Some("it is always packed with zstd"),
            _ => Some("only raw.zst and qcow2 are packed"),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How bytes are packed, and how hard: a level, or 0 for the usual one of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Packing {
    /// zlib, which every qemu reads; levels 1 to 9, usually 6.
    Zlib(u32),
    /// zstd, which qemu reads since 5.1; levels 1 to 19, usually 3.
    Zstd(u32),
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zlib(level) => write!(f, "zlib of level {level}"),
            Self::Zstd(level) => write!(f, "zstd of level {level}"),
        }
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
