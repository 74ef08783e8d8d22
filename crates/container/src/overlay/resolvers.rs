//! The container's resolv.conf(5) where the host's network can be reached. Pure.

use std::net::Ipv4Addr;

use crate::user_network::RESOLVER;

/// Its name in the bundle.
pub(super) const RESOLVERS: &str = "resolv.conf";

/// The host's file with the helper's address in the place of a resolver that can't be reached from inside: one on the host's
/// loopback, as systemd-resolved's, or one with an IPv6 address. What is left stays as it is.
pub(super) fn resolvers(host: &str) -> String {
    let forwarder = format!("nameserver {RESOLVER}");
    let mut lines: Vec<&str> = Vec::new();
    for line in host.lines() {
        let line = match server(line) {
            None => line,
            Some(server) if is_reached(server) => line,
            Some(_) if lines.contains(&forwarder.as_str()) => continue,
            Some(_) => &forwarder,
        };
        lines.push(line);
    }
    // A file without a resolver means one on the host itself.
    if lines.iter().all(|line| server(line).is_none()) {
        lines.push(&forwarder);
    }
    lines.join("\n") + "\n"
}

fn server(line: &str) -> Option<&str> {
    let mut words = line.split_ascii_whitespace();
    words.next().filter(|word| *word == "nameserver")?;
    words.next()
}

/// `0.0.0.0` stands for the host itself.
fn is_reached(server: &str) -> bool {
    let address = server.parse::<Ipv4Addr>();
    address.is_ok_and(|address| !address.is_loopback() && !address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_reached_stays() {
        let text = "# a note\nsearch example.org\nnameserver 192.0.2.53\noptions edns0\n";
        assert_eq!(resolvers(text), text);
    }

    #[test]
    fn what_can_not_is_replaced_once() {
        let text = "nameserver 127.0.0.53\nnameserver ::1\nnameserver 2001:db8::53\nnameserver 192.0.2.53\n\
                    options trust-ad\n";
        let inside = "nameserver 10.0.2.3\nnameserver 192.0.2.53\noptions trust-ad\n";
        assert_eq!(resolvers(text), inside);
        for server in ["0.0.0.0", "fe80::1%eth0", "what", "::"] {
            assert_eq!(resolvers(&format!("nameserver\t{server} \n")), "nameserver 10.0.2.3\n");
        }
    }

    #[test]
    fn without_a_resolver_there_is_the_helpers() {
        for text in ["", "nameserver\n", "#nameserver 192.0.2.53"] {
            assert!(resolvers(text).ends_with("nameserver 10.0.2.3\n"), "{text}");
        }
        assert_eq!(resolvers("search example.org"), "search example.org\nnameserver 10.0.2.3\n");
    }
}
