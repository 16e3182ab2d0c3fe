//! File capabilities: from the words of a package to the extended attribute.
//!
//! ```text
//! cap_net_raw,cap_net_admin=ep      clauses: names, then operators (= + -) with sets (e i p)
//!   ─▶ 02000001 │ permitted 0-31 │ inheritable 0-31 │ permitted 32-63 │ inheritable 32-63     little-endian
//! ```
//!
//! The words are those of `cap_from_text` of libcap, the bytes `struct vfs_cap_data` of `linux/capability.h`, revision 2.

/// The names of the capabilities of `linux/capability.h`, by number.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

const REVISION_2: u32 = 0x0200_0000;
const EFFECTIVE: u32 = 1;

/// Why a text is no set of file capabilities.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapabilityError {
    /// A name that no capability has.
    #[error("there is no capability `{0}`")]
    Name(String),
    /// A clause that is no list of names, operator and sets.
    #[error("`{0}` is no clause like `cap_net_raw=ep`")]
    Clause(String),
    /// A file has one effective bit for all of its capabilities.
    #[error("some of the capabilities are effective and some are not, which a file cannot have")]
    Effective,
}

/// The value of `security.capability` for a text.
///
/// # Errors
/// If the text is wrong, or says what a file cannot have.
pub fn parse_capabilities(text: &str) -> Result<Vec<u8>, CapabilityError> {
    // Sets of bits: effective, inheritable, permitted.
    let mut sets = [0u64; 3];
    for clause in text.split_whitespace() {
        apply(clause, &mut sets)?;
    }
    let [effective, inheritable, permitted] = sets;
    if effective != 0 && (permitted | inheritable) & !effective != 0 {
        return Err(CapabilityError::Effective);
    }
    let half = |set: u64, high: bool| (if high { set >> 32 } else { set & 0xffff_ffff }) as u32;
    let words = [
        REVISION_2 | if effective == 0 { 0 } else { EFFECTIVE },
        half(permitted, false),
        half(inheritable, false),
        half(permitted, true),
        half(inheritable, true),
    ];
    Ok(words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

fn apply(clause: &str, sets: &mut [u64; 3]) -> Result<(), CapabilityError> {
    let bad = || CapabilityError::Clause(clause.to_owned());
    let start = clause.find(['=', '+', '-']).ok_or_else(bad)?;
    let (names, mut rest) = clause.split_at(start);
    let all = (1u64 << NAMES.len()) - 1;
    let mut chosen = 0;
    for name in names.split(',') {
        chosen |= match name.to_ascii_lowercase().as_str() {
            "all" => all,
            // Without names, `=` is about all capabilities.
            "" if names.is_empty() && rest.starts_with('=') => all,
            "" => return Err(bad()),
            name => bit(name)?,
        };
    }
    while let Some(operator) = rest.chars().next() {
        let flags = &rest[1..];
        let end = flags.find(['=', '+', '-']).unwrap_or(flags.len());
        let (flags, left) = flags.split_at(end);
        rest = left;
        if operator == '=' {
            sets.iter_mut().for_each(|set| *set &= !chosen);
        } else if flags.is_empty() {
            return Err(bad());
        }
        for flag in flags.chars() {
            let set = match flag {
                'e' => &mut sets[0],
                'i' => &mut sets[1],
                'p' => &mut sets[2],
                _ => return Err(bad()),
            };
            if operator == '-' { *set &= !chosen } else { *set |= chosen }
        }
    }
    Ok(())
}

fn bit(name: &str) -> Result<u64, CapabilityError> {
    let known = name.strip_prefix("cap_").and_then(|short| NAMES.iter().position(|one| *one == short));
    let number = known.or_else(|| name.parse().ok().filter(|number| *number < 64));
    number.map(|number| 1 << number).ok_or_else(|| CapabilityError::Name(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_bytes() {
        let words = |text: &str| {
            let bytes = parse_capabilities(text)?;
            let words = bytes.chunks_exact(4).map(|four| u32::from_le_bytes(four.try_into().unwrap()));
            Ok::<_, CapabilityError>(words.collect::<Vec<_>>())
        };
        for (text, want) in [
            ("cap_net_raw=ep", [0x0200_0001, 1 << 13, 0, 0, 0]),
            ("= cap_net_raw+ep", [0x0200_0001, 1 << 13, 0, 0, 0]),
            ("cap_net_raw+p", [0x0200_0000, 1 << 13, 0, 0, 0]),
            ("CAP_BPF,cap_chown=eip", [0x0200_0001, 1, 1, 1 << 7, 1 << 7]),
            ("cap_chown,cap_kill=ep cap_kill-ep", [0x0200_0001, 1, 0, 0, 0]),
            ("cap_setuid=ep-e", [0x0200_0000, 1 << 7, 0, 0, 0]),
            ("13=ep", [0x0200_0001, 1 << 13, 0, 0, 0]),
            ("all=p", [0x0200_0000, 0xffff_ffff, 0, 0x1ff, 0]),
            ("=", [0x0200_0000, 0, 0, 0, 0]),
        ] {
            assert_eq!(words(text), Ok(want.to_vec()), "{text}");
        }
        for (text, want) in [
            ("cap_none=ep", CapabilityError::Name("cap_none".into())),
            ("cap_kill", CapabilityError::Clause("cap_kill".into())),
            ("cap_kill=x", CapabilityError::Clause("cap_kill=x".into())),
            ("cap_kill+", CapabilityError::Clause("cap_kill+".into())),
            ("+ep", CapabilityError::Clause("+ep".into())),
            ("cap_kill,=ep", CapabilityError::Clause("cap_kill,=ep".into())),
            ("cap_kill=ep cap_chown=p", CapabilityError::Effective),
        ] {
            assert_eq!(words(text), Err(want), "{text}");
        }
    }
}
