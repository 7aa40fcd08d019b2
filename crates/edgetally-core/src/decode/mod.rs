//! From a line to slots: a lenient reader of one JSON object.
//!
//! Members that come as the lines before had them are read by [`Steps`]. Where a line differs from what was expected,
//! that member is read the general way, here, and the steps learn it. What comes out never depends on what was expected.
//!
//! What a key means is the format's business (see [`crate::format`]). An object that holds fields is entered, any other
//! is passed as a whole; so the object in which a value stands says everything about where in the line we are, and what
//! stands between two values may lead from one object into another: `"},"bytes_read":`.
//!
//! It is lenient in values (bare `009`, raw control bytes, illegal escapes) and strict in structure, because a
//! structure that is broken means a line that was cut or mixed with another.

pub mod columns;
pub mod cursor;
pub mod key_tree;
mod memo;
mod scan;
mod template;

use std::ops::Range;

use crate::decode::cursor::{Line, Value, put};
use crate::decode::key_tree::{Meaning, ROOT};
use crate::decode::template::{Kind, Place, Steps};
use crate::format::Format;
use crate::rejection::{Reason, Reject};
use crate::schema::field::{self, SKIP, Slots};

/// Reads lines into slots, and learns their layout.
#[derive(Debug, Default)]
pub struct Reader {
    format: Format,
    steps: Steps,
    /// The flat fields of the line.
    pub record: Slots,
    /// The elements of its `origins`.
    pub elements: Vec<Slots>,
}

impl Reader {
    /// A reader of lines in `format`.
    pub fn new(format: Format) -> Self {
        Self { format, ..Self::default() }
    }

    /// The format of the lines.
    #[inline]
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// Reads the object that is `block[line]`, which has no blanks around it.
    pub fn read(&mut self, block: &[u8], line: Range<usize>) -> Result<(), Reject> {
        self.record.clear();
        self.elements.clear();
        if let Some(columns) = self.format.columns() {
            return columns.read(block, line, &mut self.record);
        }
        let start = line.start;
        let line = Line { block, start, end: line.end };
        if block[start] != b'{' {
            return Err(Reject::new(Reason::NotJson, start));
        }
        if let Some(end) = line.empty_object(start)? {
            return line.finish(end);
        }

        let mut place = Place { at: start, object: ROOT, step: 0 };
        loop {
            place = match self.steps.follow(line, place, self.format.keys(), &mut self.record) {
                Place { at, .. } if at == place.at => self.unexpected(line, place)?,
                expected => expected,
            };
            place.at = line.skip_blanks(place.at);
            // Where objects end is part of what stands before the next value, so they are left there; the line's is not.
            if place.object == ROOT && line.byte(place.at)? == b'}' {
                return line.finish(place.at + 1);
            }
        }
    }

    /// The next value behind `place`, read the general way, which teaches the layout; where it ends.
    ///
    /// Where the line itself ends instead, this is where it stops.
    #[inline(never)]
    fn unexpected(&mut self, line: Line<'_>, place: Place) -> Result<Place, Reject> {
        let Place { mut at, mut object, step } = place;
        // Whether the byte at `at` opens the object that we are in.
        let mut opens = at == line.start;
        loop {
            match line.byte(at)? {
                b'{' if opens => {}
                b',' if !opens => {}
                b'}' if object != ROOT => {
                    (at, object, opens) = (line.skip_blanks(at + 1), self.format.keys().parent(object), false);
                    if object == ROOT && line.byte(at)? == b'}' {
                        return Ok(Place { at, object, step });
                    }
                    continue;
                }
                _ => return Err(Reject::new(Reason::NotJson, at)),
            }
            let (key, value_at) = line.key(at + 1)?;
            let is_object = line.byte(value_at)? == b'{';
            let meaning = self.format.keys().of(object, &line.block[key]);
            let is_plain = matches!(meaning, Meaning::Slot(_));
            let slot = match meaning {
                Meaning::Object(inner) if is_object && line.empty_object(value_at)?.is_none() => {
                    (at, object, opens) = (value_at, inner, true);
                    continue;
                }
                Meaning::Headers(inner) if is_object => {
                    let next = line.headers(value_at, inner, self.format.keys(), &mut self.record)?;
                    let literal = &line.block[place.at..value_at];
                    let step = self.steps.learn(literal, SKIP, Kind::Headers(inner), (place.object, object), step);
                    return Ok(Place { at: next, object, step });
                }
                Meaning::Slot(slot) => slot,
                Meaning::Object(_) | Meaning::Headers(_) => SKIP,
            };
            if slot == field::ORIGINS {
                // Said twice, the last one holds.
                self.elements.clear();
                if line.byte(value_at)? == b'[' {
                    return Ok(Place { at: line.elements(value_at, &mut self.elements)?, object, step });
                }
            }
            let (value, next) = line.value(value_at)?;
            let (literal_end, kind) = match &value {
                Value::String(content) => (content.start, Some(Kind::Quoted)),
                Value::Scalar(_) => (value_at, Some(Kind::Bare)),
                Value::Nested(_) if is_plain => (value_at, Some(Kind::Nested)),
                // The next one may be what the format looks into.
                Value::Nested(_) => (value_at, None),
            };
            let literal = &line.block[place.at..literal_end];
            let step = kind.map_or(step, |kind| self.steps.learn(literal, slot, kind, (place.object, object), step));
            put(&mut self.record, slot, line.block, &value);
            return Ok(Place { at: next, object, step });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::field_access::{Fields, Values};
    use crate::schema::field::{Form, SLOTS, form};
    use crate::value::keyword::{as_cache, as_flag};

    fn read(reader: &mut Reader, line: &str) -> Result<Vec<String>, Reason> {
        reader.read(line.as_bytes(), 0..line.len()).map_err(|reject| reject.reason)?;
        let show = |slot| String::from_utf8_lossy(reader.record.text(line.as_bytes(), slot)).into_owned();
        Ok(vec![show(field::DOMAIN), show(field::STATUS), show(field::CACHE)])
    }

    #[test]
    fn structure_is_strict_and_values_are_not() {
        let cases: &[(&str, Result<[&str; 3], Reason>)] = &[
            ("{}", Ok(["", "", ""])),
            (r#"{"domain":"a","status":200}"#, Ok(["a", "200", ""])),
            (r#"{ "status" : "009" , "domain" : "a" }"#, Ok(["a", "009", ""])),
            (r#"{"status":009,"cache":null}"#, Ok(["", "009", ""])),
            (r#"{"x":{"status":1,"y":["}"]},"status":2}"#, Ok(["", "2", ""])),
            (r#"{"domain":{"a":1},"status":2}"#, Ok(["", "2", ""])),
            (r#"{"status":1,"status":2}"#, Ok(["", "2", ""])),
            (r#"{"domain":"a\"b"}"#, Ok([r#"a\"b"#, "", ""])),
            ("[1]", Err(Reason::NotJson)),
            (r#"{"a":}"#, Err(Reason::NotJson)),
            (r#"{"a":1,}"#, Err(Reason::NotJson)),
            (r#"{"a" 1}"#, Err(Reason::NotJson)),
            (r#"{"a":1 "b":2}"#, Err(Reason::NotJson)),
            (r#"{"a":1}x"#, Err(Reason::NotJson)),
            (r#"{"a":1}}"#, Err(Reason::NotJson)),
            (r#"{"a":"b"#, Err(Reason::Truncated)),
            (r#"{"a":1"#, Err(Reason::Truncated)),
            (r#"{"a":{"b":1}"#, Err(Reason::Truncated)),
            ("{", Err(Reason::Truncated)),
        ];
        for (line, want) in cases {
            let want = want.map(|texts| texts.map(str::to_owned).to_vec());
            assert_eq!(want, read(&mut Reader::default(), line), "{line}");
        }
    }

    #[test]
    fn what_was_expected_never_changes_what_is_read() {
        let lines = [
            r#"{"domain":"a.example","status":"200","cache":"HIT","url":"/a/long/enough/path/to/fill/a/word"}"#,
            r#"{"domain":"b.example","cache":"MISS","url":"/a/long/enough/path/to/fill/a/word"}"#,
            r#"{"status":404,"domain":"c.example","url":"/a/long/enough/path/to/fill/a/word"}"#,
            r#"{"domain":"a.example","status":null,"cache":"HIT","url":"/a/long/enough/path/to/fill/a/word"}"#,
            r#"{"domain":"a.example","status":{"x":1},"cache":"HIT","url":"/a/long/enough/path/to/fill/a/word"}"#,
            r#"{"domain":"a.example","origins":[{}],"status":7,"url":"/a/long/enough/path/to/fill/a/word"}"#,
        ];
        let mut learned = Reader::default();
        for first in lines {
            for second in lines {
                for line in [first, second] {
                    assert_eq!(read(&mut Reader::default(), line), read(&mut learned, line), "{line}");
                }
            }
        }
    }

    #[test]
    fn what_was_expected_of_objects_never_changes_what_is_read() {
        let lines = [
            r#"{"request":{"remote_ip":"::1","host":"a.example","headers":{"A":["b"]}},"size":1,"status":200}"#,
            r#"{"request":{"host":"b.example","headers":{"A":["}"],"B":[]},"tls":{"resumed":false,"version":772}},"status":1}"#,
            r#"{"request":{"host":"b.example","tls":{"version":772}},"resp_headers":{"A":["b"],"X-Edgetally-Origin-Addr":["o"]}}"#,
            r#"{"request":{},"status":2,"cache":"HIT"}"#,
            r#"{"request":null,"status":2,"cache":"HIT","size":{"a":1}}"#,
            r#"{"request":[1],"status":2,"cache":"HIT","resp_headers":{}}"#,
            r#"{"request":{"host":{"a":1}},"resp_headers":[{}],"status":3}"#,
            r#"{"request":{"host":"c.example" } , "status":3, "request":{ "host" : "d.example" }}"#,
            r#"{"status":4,"host":"no","request":{"x":{"host":"no"},"host":"e.example"}}"#,
            r#"{"request":{"host":"c.example"},"status":3"#,
            r#"{"request":{"host":"c.example","status":3}"#,
            r#"{"request":{"host":"c.example",},"status":3}"#,
            r#"{"request":{"host":"c.example"}}"#,
            r#"{"request":{"host":"c.example"}}}"#,
            r#"{"request":{"host":"c.example"},}"#,
            r#"{"status":9,"request":{"tls":{"version":769}}}"#,
        ];
        let caddy = || Reader::new(Format::named("caddy").expect("there is one"));
        let slots = [field::DOMAIN, field::STATUS, field::TLS, field::ORIGIN_ADDR, field::RESP_BODY_BYTES];
        let read = |reader: &mut Reader, line: &str| {
            reader.read(line.as_bytes(), 0..line.len()).map_err(|reject| (reject.reason, reject.at))?;
            let show = |slot| String::from_utf8_lossy(reader.record.text(line.as_bytes(), slot)).into_owned();
            Ok::<_, (Reason, usize)>(slots.map(show))
        };
        let tls_and_headers = Ok(["b.example", "", "772", "o", ""].map(String::from));
        assert_eq!(tls_and_headers, read(&mut caddy(), lines[2]));
        let mut learned = caddy();
        for first in lines {
            for second in lines {
                for third in lines {
                    for line in [first, second, third] {
                        assert_eq!(read(&mut caddy(), line), read(&mut learned, line), "{line}");
                    }
                }
            }
        }
    }

    /// Everything that can be asked of a record's fields.
    fn shown(reader: &Reader, line: &str) -> Vec<String> {
        let fields = Fields { slots: &reader.record, block: line.as_bytes() };
        let all = (0..SLOTS).filter(|slot| *slot != field::SKIP).map(|slot| {
            let text = String::from_utf8_lossy(fields.text(slot)).into_owned();
            let said = match form(slot) {
                Form::Whole => format!("{:?} {:?}", fields.number(slot), fields.whole(slot)),
                Form::Milliseconds => format!("{:?}", fields.time(slot, 6)),
                Form::Seconds => format!("{:?}", fields.time(slot, 9)),
                Form::Word => format!("{:?}", (as_flag(fields.word(slot)), as_cache(fields.word(slot)))),
                Form::Moment => format!("{:?}", fields.moment(slot)),
                Form::Key | Form::Skipped => String::new(),
            };
            format!("{slot} {} {text} {said}", fields.is_empty(slot))
        });
        all.collect()
    }

    const VALUES: [&str; 40] = [
        r#""""#,
        r#""-""#,
        "null",
        r#""null""#,
        "0",
        r#""0""#,
        "7",
        r#""1234567""#,
        r#""12345678""#,
        "12345678901234567",
        "-1",
        r#""-1""#,
        "1.5",
        r#""0.001""#,
        r#""12.3456789""#,
        r#""1234567.""#,
        r#"".5""#,
        r#""1e3""#,
        "1795314035.632",
        "1795314035",
        r#""1795314036.1""#,
        "1795314035632",
        "1795314035.12345678",
        "true",
        r#""false""#,
        r#""HIT""#,
        r#""HIT\"""#,
        r#""hit""#,
        r#""REVALIDATED""#,
        r#""UPDATING""#,
        r#""TLSv1.3""#,
        r#""HTTP/1.1""#,
        r#""HTTP\/1.1""#,
        r#""h2""#,
        r#"" HIT""#,
        r#""H""#,
        r#""fifteen letters""#,
        r#""sixteen letters.""#,
        r#""a\"b,c}""#,
        r#"{"status":1}"#,
    ];

    proptest::proptest! {
        #[test]
        fn values_say_the_same_wherever_they_are_read(
            slots in proptest::collection::vec(proptest::sample::select(&NAMES[..]), 1..8),
            values in proptest::collection::vec(proptest::collection::vec(0..VALUES.len(), 8), 1..6),
            padding in 0..100_usize,
        ) {
            let mut learned = Reader::default();
            for values in values {
                let members: Vec<_> =
                    slots.iter().zip(values).map(|(name, value)| format!("\"{name}\":{}", VALUES[value])).collect();
                let line = format!("{{{}}}", members.join(","));
                // What is behind a line is no part of it; with more of it there, more is read on the spot.
                let block = format!("{line}\n{}", "\"7".repeat(padding));
                proptest::prop_assert!(learned.read(block.as_bytes(), 0..line.len()).is_ok(), "{line}");
                let mut fresh = Reader::default();
                proptest::prop_assert!(fresh.read(line.as_bytes(), 0..line.len()).is_ok());
                proptest::prop_assert_eq!(shown(&fresh, &line), shown(&learned, &block), "{}", line);
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn empty_values_that_follow_each_other_say_the_same_as_each_alone(
            names in proptest::collection::vec(proptest::sample::select(&NAMES[..]), 3..12),
            lines in proptest::collection::vec(
                (proptest::collection::vec(proptest::sample::select(&SPARSE[..]), 12), 0..4_usize), 1..12
            ),
            padding in 0..200_usize,
        ) {
            let mut learned = Reader::default();
            for (values, odd) in lines {
                let mut members: Vec<_> =
                    names.iter().zip(values).map(|(name, value)| format!("\"{name}\":{value}")).collect();
                // Members come and go, so that what stands behind an empty value is not always the same.
                if odd == 0 {
                    members.remove(0);
                }
                let line = format!("{{{}}}", members.join(","));
                let block = format!("{line}\n{}", ",\"ts\":\"\"".repeat(padding));
                for end in (1..=line.len()).rev().step_by(7) {
                    let mut fresh = Reader::default();
                    let want = fresh.read(&line.as_bytes()[..end], 0..end).map_err(|reject| (reject.reason, reject.at));
                    let got = learned.read(block.as_bytes(), 0..end).map_err(|reject| (reject.reason, reject.at));
                    proptest::prop_assert_eq!(want, got, "{} cut at {}", line, end);
                    if end == line.len() {
                        proptest::prop_assert_eq!(shown(&fresh, &line), shown(&learned, &block), "{}", line);
                    }
                }
            }
        }
    }

    /// Values most of which are empty.
    const SPARSE: [&str; 12] =
        [r#""""#, r#""""#, r#""""#, r#""""#, r#""""#, r#""""#, r#""""#, r#""-""#, "null", r#""7""#, r#""\"""#, "7"];

    const NAMES: [&str; 14] = [
        "ts",
        "domain",
        "service_id",
        "status",
        "cache",
        "proto",
        "tls",
        "edge",
        "weight",
        "resp_bytes",
        "origin_ttfb_s",
        "duration_ms",
        "origin_addr",
        "url",
    ];

    #[test]
    fn a_million_brackets_cost_no_stack() {
        let line = format!("{{\"x\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(read(&mut Reader::default(), &line).is_ok());
    }
}
