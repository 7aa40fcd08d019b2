//! Names before a record: of a program, a file, a container, a pod or a field.

use crate::value::text::trim;
use crate::wrapper::prefix::found::{Found, Prefix};
use crate::wrapper::prefix::token::{MAX_DIGITS, MAX_NAME, token};

/// What a program or `grep` puts before a record: `nginx[12]: `, `edge1 nginx: `, `access.log:`, `access.log:12:`.
pub fn tagged(line: &[u8]) -> Option<Found> {
    let brace = memchr::memchr(b'{', &line[..line.len().min(MAX_NAME)])?;
    let is_record = matches!(trim(&line[brace + 1..]), [b'"' | b'}', ..]);
    let names = line[..brace].strip_suffix(b" ").unwrap_or(&line[..brace]).strip_suffix(b":")?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-/@[]:".contains(byte);
    // A host may stand before the tag of a program.
    let mut names = names.split(|byte| *byte == b' ');
    let is_tag =
        names.by_ref().take(2).all(|name| !name.is_empty() && name.iter().all(is_name)) && names.next().is_none();
    (is_record && is_tag).then_some(Found { prefix: Prefix::Name, end: brace, second: None })
}

/// The number of a line, as `grep -n` puts it right before a record: `12:`.
pub fn line_number(line: &[u8]) -> Option<Found> {
    let digits = line.iter().take(MAX_DIGITS + 1).take_while(|byte| byte.is_ascii_digit()).count();
    line[digits..].starts_with(b":{\"").then_some(Found { prefix: Prefix::Name, end: digits + 1, second: None })
}

/// The id of a container, right before a record, as `podman logs` shows it: `3f2a1b9c0d1e `.
pub fn id(line: &[u8]) -> Option<Found> {
    let id = token(line, 0).filter(|id| matches!(id.len(), 12 | 64))?;
    let is_id = id.iter().all(u8::is_ascii_hexdigit) && is_message(&line[id.len() + 1..]);
    is_id.then_some(Found { prefix: Prefix::Name, end: id.len() + 1, second: None })
}

/// `name  | `, as `docker compose logs` shows it, or `04:41:06 name  | `, as foreman does.
pub fn named(line: &[u8]) -> Option<Found> {
    let bar = memchr::memchr(b'|', &line[..line.len().min(MAX_NAME)])?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'@' | b' ' | b'/');
    let end = bar + 1 + usize::from(line.get(bar + 1) == Some(&b' '));
    let from = if matches!(line, [b'0'..=b'2', _, b':', _, _, b':', _, _, b' ', ..]) { 9.min(bar) } else { 0 };
    line[from..bar].iter().all(is_name).then_some(Found { prefix: Prefix::Name, end, second: None })
}

/// `[pod/name/container] `, as `kubectl logs --prefix` shows it.
pub fn bracketed_name(line: &[u8]) -> Option<Found> {
    let bracket = memchr::memchr(b']', &line[..line.len().min(MAX_NAME)])?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'/' | b':');
    let name = &line[1..bracket];
    if line.get(bracket + 1) != Some(&b' ') {
        return None;
    }
    let end = bracket + 2;
    let is_one = name.contains(&b'/') && name.iter().all(is_name);
    let is_known = is_one || names_len(&[name, b" "].concat()) == Some(name.len() + 1) && is_message(&line[end..]);
    is_known.then_some(Found { prefix: Prefix::Name, end, second: None })
}

/// `pod container `, perhaps with a namespace before it, as `stern` shows it.
pub fn pod_and_container(line: &[u8]) -> Option<Found> {
    let end = names_len(line)?;
    is_message(&line[end..]).then_some(Found { prefix: Prefix::Name, end, second: None })
}

/// The length of two or three names of Kubernetes, each with a blank behind it. Those of pods have a dash.
fn names_len(text: &[u8]) -> Option<usize> {
    let is_name = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
    let (mut names, mut at) = (0, 0);
    while let Some(name) = token(text, at).filter(|name| names < 3 && !name.is_empty() && name.iter().all(is_name)) {
        (names, at) = (names + 1, at + name.len() + 1);
        if is_message(&text[at..]) {
            break;
        }
    }
    (names > 1 && text[..at].contains(&b'-')).then_some(at)
}

/// Whether `text` starts like a record, or like a time before one.
fn is_message(text: &[u8]) -> bool {
    matches!(text, [b'{', ..] | [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-', ..])
}

/// An event of a stream of server-sent events, as `journalctl -o json-sse` writes it: `data: `.
pub fn event(line: &[u8]) -> Option<Found> {
    let is_event = line.starts_with(b"data: {");
    is_event.then_some(Found { prefix: Prefix::Event, end: b"data: ".len(), second: None })
}

/// A field of an entry of the journal, as `journalctl -o export` and `verbose` write it: `MESSAGE=`.
pub fn field(line: &[u8]) -> Option<Found> {
    let name = b"MESSAGE=";
    line.starts_with(name).then_some(Found { prefix: Prefix::Field, end: name.len(), second: None })
}
