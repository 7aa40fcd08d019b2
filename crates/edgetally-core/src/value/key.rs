//! Keys: the names under which requests are counted, from the bytes that an edge logged.
//!
//! A Host header comes from the open internet. Its request counts in any case: under [`INVALID`] if no site could have that
//! name.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use crate::value::text::{text, trim};

/// The key for hosts that are absent or cannot be a domain, and for names that are too long.
pub const INVALID: &str = "_invalid";
/// The key for origins without a name, and for addresses that were not logged.
pub const UNKNOWN: &str = "_unknown";
/// The overflow key: everything beyond a limit on keys counts under it.
pub const OTHER: &str = "_other";

const MAX_HOST: usize = 253;
const MAX_LABEL: usize = 63;
const MAX_NAME: usize = 255;
/// Longest POP in bytes. A longer one counts as [`INVALID`].
pub const MAX_POP_BYTES: usize = 64;
/// Longest service id in bytes.
pub const MAX_SERVICE_ID_BYTES: usize = 64;

/// The service id in `raw`, or `default` if there is none. `None` if it is not 1 to 64 letters, digits, `-` and `_`.
#[must_use]
pub fn service_id<'a>(raw: &'a [u8], default: &'a str) -> Option<Cow<'a, str>> {
    let Some(id) = name(raw) else {
        return Some(Cow::Borrowed(default));
    };
    let fits = (1..=MAX_SERVICE_ID_BYTES).contains(&id.len());
    (fits && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')).then_some(id)
}

/// The POP in `raw`, or `default` if there is none.
#[must_use]
pub fn pop<'a>(raw: &'a [u8], default: &'a str) -> Cow<'a, str> {
    bound(name(raw).unwrap_or(Cow::Borrowed(default)), MAX_POP_BYTES)
}

/// The name of the origin in `raw`, or `ip` if there is none.
#[must_use]
pub fn origin<'a>(raw: &'a [u8], ip: &'a str) -> Cow<'a, str> {
    bound(name(raw).unwrap_or(Cow::Borrowed(ip)), MAX_NAME)
}

/// Whether `raw` is an address.
#[must_use]
pub fn is_address(raw: &[u8]) -> bool {
    match raw {
        b"" | b"0" | [b'{', ..] => false,
        _ if !raw.contains(&b'\\') => true,
        _ => address(raw).is_some(),
    }
}

/// The address in `raw` without its port.
#[must_use]
pub fn ip(raw: &[u8]) -> Cow<'_, str> {
    match address(raw).map(|address| without_port_or_brackets(lowercase(without_scheme(address)))) {
        Some(address) if !address.is_empty() => bound(address, MAX_NAME),
        _ => Cow::Borrowed(UNKNOWN),
    }
}

/// The text of `raw`, if it is an address. Without a fetch, Traffic Server logs `0` and Caddy the placeholder itself.
fn address(raw: &[u8]) -> Option<Cow<'_, str>> {
    name(raw).filter(|address| address != "0" && !address.starts_with('{'))
}

/// Apache logs the URL of a balancer's member.
fn without_scheme(address: Cow<'_, str>) -> Cow<'_, str> {
    match address.split_once("://") {
        Some((scheme, rest)) if scheme != "unix" => Cow::Owned(rest.split('/').next().unwrap_or_default().to_owned()),
        _ => address,
    }
}

fn without_port_or_brackets(address: Cow<'_, str>) -> Cow<'_, str> {
    if let Some((inside, after)) = address.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        && !inside.is_empty()
        && (after.is_empty() || is_port(after))
    {
        return Cow::Owned(inside.to_owned());
    }
    if address.starts_with("unix:") || address.matches(':').count() > 1 {
        return address;
    }
    without_port(address)
}

/// The name in `raw`, without blanks around it; `None` if it is empty or a dash.
fn name(raw: &[u8]) -> Option<Cow<'_, str>> {
    let text = trim_text(text(raw));
    (!text.is_empty() && text != "-").then_some(text)
}

/// The domain in the Host header `raw`.
#[must_use]
pub fn domain(raw: &[u8]) -> Cow<'_, str> {
    // The common case needs no copy: it is a lower-case name already.
    if is_host_name(raw)
        && let Ok(host) = std::str::from_utf8(raw)
        && !host.bytes().any(|byte| byte.is_ascii_uppercase())
    {
        return Cow::Borrowed(host);
    }
    domain_slowly(raw).unwrap_or(Cow::Borrowed(INVALID))
}

fn domain_slowly(raw: &[u8]) -> Option<Cow<'_, str>> {
    let lower = lowercase(name(raw)?);
    if let Some(rest) = lower.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        return if after.is_empty() || is_port(after) { ipv6(address) } else { None };
    }
    if lower.matches(':').count() > 1 {
        return ipv6(&lower);
    }
    let host = without_port(lower);
    let host = host.strip_suffix('.').unwrap_or(&host);
    is_host_name(host.as_bytes()).then(|| Cow::Owned(host.to_owned()))
}

/// An IPv6 address as RFC 5952 writes it, so that it is one key in all its spellings.
fn ipv6<'a>(address: &str) -> Option<Cow<'a, str>> {
    address.parse::<Ipv6Addr>().ok().map(|address| Cow::Owned(address.to_string()))
}

/// Whether `host` is labels of letters, digits, `-` and `_`, joined by dots, within the lengths of RFC 1035.
fn is_host_name(host: &[u8]) -> bool {
    let label = |label: &[u8]| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    host.len() <= MAX_HOST && host.split(|byte| *byte == b'.').all(label)
}

/// `:` and any number of digits, even none.
fn is_port(after: &str) -> bool {
    after.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn without_port(host: Cow<'_, str>) -> Cow<'_, str> {
    match host.rfind(':') {
        Some(at) if is_port(&host[at..]) => Cow::Owned(host[..at].to_owned()),
        _ => host,
    }
}

fn trim_text(text: Cow<'_, str>) -> Cow<'_, str> {
    let inside = trim(text.as_bytes());
    if inside.len() == text.len() {
        return text;
    }
    Cow::Owned(String::from_utf8_lossy(inside).into_owned())
}

fn lowercase(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) { Cow::Owned(text.to_ascii_lowercase()) } else { text }
}

fn bound(name: Cow<'_, str>, max: usize) -> Cow<'_, str> {
    if name.len() > max { Cow::Borrowed(INVALID) } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_become_domains() {
        let long = "a".repeat(64);
        let cases: &[(&str, &str)] = &[
            ("alpha.example", "alpha.example"),
            ("ALPHA.Example:8080", "alpha.example"),
            ("alpha.example:", "alpha.example"),
            ("alpha.example:99999", "alpha.example"),
            ("alpha.example.", "alpha.example"),
            ("name.:8080", "name"),
            ("my_host", "my_host"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]", "::1"),
            ("[::1]:443", "::1"),
            ("::1", "::1"),
            ("[2001:0DB8:0:0::0001]:443", "2001:db8::1"),
            ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("[::FFFF:192.0.2.1]", "::ffff:192.0.2.1"),
            ("", INVALID),
            ("alpha.example:abc", INVALID),
            ("h:80:80", INVALID),
            (".example", INVALID),
            ("..", INVALID),
            ("[::1", INVALID),
            ("[fe80::1%25eth0]", INVALID),
            ("user@h", INVALID),
            ("a/b", INVALID),
            ("alpha.example, beta.example", INVALID),
            ("bücher.example", INVALID),
            ("{\\\"x\\\":1}", INVALID),
            (&long, INVALID),
        ];
        for (raw, want) in cases {
            assert_eq!(*want, domain(raw.as_bytes()), "{raw}");
        }
    }

    #[test]
    fn origins_have_their_name_or_else_their_address() {
        let cases: &[(&str, &str, &str, &str)] = &[
            ("origin_a", "10.0.0.1:9001", "origin_a", "10.0.0.1"),
            ("", "10.0.0.1:9001", "10.0.0.1", "10.0.0.1"),
            ("", "", UNKNOWN, UNKNOWN),
            ("", "0", UNKNOWN, UNKNOWN),
            ("v6", "[2001:DB8::1]:80", "v6", "2001:db8::1"),
            ("v6", "2001:db8::1", "v6", "2001:db8::1"),
            ("url", "http://10.0.0.7:8080", "url", "10.0.0.7"),
            ("url", "h2c://[2001:db8::1]:80/app", "url", "2001:db8::1"),
            ("sock", "unix:/run/app.sock", "sock", "unix:/run/app.sock"),
            ("a\\u0022b", "h", "a\"b", "h"),
        ];
        for (name, address, want_name, want_ip) in cases {
            let address = ip(address.as_bytes());
            assert_eq!(*want_ip, address, "{name}");
            assert_eq!(*want_name, origin(name.as_bytes(), &address), "{name}");
        }
    }
}
