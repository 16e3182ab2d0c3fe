//! Which rpm's behaviour is followed.

use std::fmt;
use std::str::FromStr;

/// The rpm whose answers the engine gives. Later dialects compare greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Dialect {
    /// rpm 4.18, the reference of Azure Linux 3 and Debian 12.
    #[default]
    V4_18,
    /// rpm 4.20: `BuildSystem:`, section `-a`/`-p`, string built-ins, `%setup` and `%patch` as macros.
    V4_20,
    /// rpm 6.x: `%define -g/-e`, macro modifiers, `%{span:}`, `%{xdg:}`.
    V6,
}

impl Dialect {
    /// All dialects, oldest first.
    pub const ALL: [Self; 3] = [Self::V4_18, Self::V4_20, Self::V6];

    /// What `%{rpmversion}` says.
    pub fn version(self) -> &'static str {
        match self {
            Self::V4_18 => "4.18.0",
            Self::V4_20 => "4.20.1",
            Self::V6 => "6.1.0",
        }
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::V4_18 => "4.18",
            Self::V4_20 => "4.20",
            Self::V6 => "6",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dialect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "4.18" | "4.19" => Ok(Self::V4_18),
            "4.20" => Ok(Self::V4_20),
            "6" | "6.0" | "6.1" => Ok(Self::V6),
            _ => Err(format!("unknown dialect `{text}`: use 4.18, 4.20 or 6")),
        }
    }
}
