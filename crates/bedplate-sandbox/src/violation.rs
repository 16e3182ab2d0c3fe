//! Finds out whom a build tries to reach.
//!
//! The kernel stops each `connect` and `sendto`, `sendmsg`, `sendmmsg` until we have looked at it; then it always goes on, and
//! fails as there is no network. This names the culprit; it is no guard: the memory that is read here may be changed by
//! another thread before the kernel reads it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;

use bedplate_sys::kernel::{self, Notification};
use rustix::net::{SocketType, sockopt::socket_type};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::outcome::{Protocol, Violation};

/// As many different ones are kept; a port scan tells nothing more.
const MOST: usize = 100;

/// Messages of one `sendmmsg` that are looked at.
const MOST_MESSAGES: u64 = 8;

/// Looks at the next call, lets it go on, and adds what it must not do.
pub(crate) fn attend(listener: impl AsFd, violations: &mut Vec<Violation>) {
    let Ok(notification) = kernel::receive(&listener) else { return };
    let found = look(&notification);
    // If the call waits no more, its process may be gone and its number somebody else's.
    let was_really_its = kernel::still_waits(&listener, notification.id);
    let _ = kernel::let_go_on(&listener, notification.id);
    for violation in found {
        if was_really_its && violations.len() < MOST && !violations.contains(&violation) {
            violations.push(violation);
        }
    }
}

fn look(notification: &Notification) -> Vec<Violation> {
    let thread = notification.thread;
    let addresses = addresses(notification);
    if addresses.is_empty() {
        return Vec::new();
    }
    let name = fs::read(format!("/proc/{thread}/comm")).unwrap_or_default();
    let process = crate::channel::short(&String::from_utf8_lossy(name.trim_ascii_end()));
    let kind = socket_kind(thread, notification.arguments[0]);
    addresses
        .into_iter()
        .map(|(address, port)| {
            let protocol = match kind {
                _ if port == 53 => Protocol::Dns,
                Some(SocketType::STREAM) => Protocol::Tcp,
                Some(SocketType::DGRAM) => Protocol::Udp,
                _ => Protocol::Other,
            };
            Violation { process: process.clone(), protocol, address, port }
        })
        .collect()
}

/// The addresses that a call names and that are not its own machine's.
fn addresses(notification: &Notification) -> Vec<(IpAddr, u16)> {
    let Some(thread) = i32::try_from(notification.thread).ok().and_then(Pid::from_raw) else { return Vec::new() };
    let [_, second, third, _, fifth, sixth] = notification.arguments;
    let places = match libc::c_long::try_from(notification.call) {
        Ok(libc::SYS_connect) => vec![(second, third)],
        Ok(libc::SYS_sendto) => vec![(fifth, sixth)],
        Ok(libc::SYS_sendmsg) => message_name(thread, second).into_iter().collect(),
        Ok(libc::SYS_sendmmsg) => {
            let size = u64::try_from(size_of::<libc::mmsghdr>()).unwrap_or(64);
            (0..third.min(MOST_MESSAGES))
                .filter_map(|index| message_name(thread, second.wrapping_add(index * size)))
                .collect()
        }
        _ => Vec::new(),
    };
    let mut found: Vec<(IpAddr, u16)> = places
        .into_iter()
        .filter_map(|(place, length)| {
            let mut bytes = [0; 28];
            let wanted = usize::try_from(length).unwrap_or(0).min(bytes.len());
            let length = kernel::read_memory(thread, place, &mut bytes[..wanted]).ok()?;
            parse_address(&bytes[..length])
        })
        .filter(|(address, port)| *port == 53 || !is_local(*address))
        .collect();
    found.dedup();
    found
}

/// Where a `msghdr` says that the address is, and how long.
fn message_name(thread: Pid, header: u64) -> Option<(u64, u64)> {
    let mut bytes = [0; 12];
    kernel::read_memory(thread, header, &mut bytes).ok().filter(|count| *count == bytes.len())?;
    let (place, length) = bytes.split_at(8);
    let place = u64::from_ne_bytes(place.try_into().ok()?);
    (place != 0).then_some((place, u32::from_ne_bytes(length.try_into().ok()?).into()))
}

/// An Internet address as the kernel takes it.
fn parse_address(bytes: &[u8]) -> Option<(IpAddr, u16)> {
    let family = i32::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?));
    let port = u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?);
    let address = match family {
        libc::AF_INET => <[u8; 4]>::try_from(bytes.get(4..8)?).map(Ipv4Addr::from).ok()?.into(),
        libc::AF_INET6 => <[u8; 16]>::try_from(bytes.get(8..24)?).map(Ipv6Addr::from).ok()?.to_canonical(),
        _ => return None,
    };
    Some((address, port))
}

fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified()
}

/// What kind of socket a descriptor of another process is.
fn socket_kind(thread: u32, descriptor: u64) -> Option<SocketType> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    let process = status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse::<i32>().ok())?;
    let process = pidfd_open(Pid::from_raw(process)?, PidfdFlags::empty()).ok()?;
    let socket = pidfd_getfd(process, i32::try_from(descriptor).ok()?, PidfdGetfdFlags::empty()).ok()?;
    socket_type(socket).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let family = |family: i32| u16::try_from(family).unwrap().to_ne_bytes();
        let v4 = |address: [u8; 4]| [&family(libc::AF_INET)[..], &[1, 187], &address].concat();
        let v6 = |address: Ipv6Addr| {
            [&family(libc::AF_INET6)[..], &[0, 53, 0, 0, 0, 0], &address.octets(), &[0; 4]].concat()
        };
        for (bytes, expected) in [
            (v4([192, 0, 2, 1]), Some(("192.0.2.1", 443))),
            (v6("2001:db8::1".parse().unwrap()), Some(("2001:db8::1", 53))),
            (v6("::ffff:192.0.2.1".parse().unwrap()), Some(("192.0.2.1", 53))),
            (v4([1, 2, 3, 4])[..7].to_vec(), None),
            ([&family(libc::AF_UNIX)[..], b"/run/x"].concat(), None),
            (vec![], None),
        ] {
            let expected = expected.map(|(address, port)| (address.parse().unwrap(), port));
            assert_eq!(parse_address(&bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn only_others_are_foreign() {
        for (address, expected) in
            [("127.0.0.1", true), ("127.9.9.9", true), ("::1", true), ("0.0.0.0", true), ("10.0.0.1", false)]
        {
            assert_eq!(is_local(address.parse().unwrap()), expected, "{address}");
        }
    }
}
