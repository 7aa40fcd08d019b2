"""What the text of a field means: nothing, a number, a size, a time, a status, a key."""

import re
from datetime import date
from decimal import Decimal
from fractions import Fraction
from ipaddress import AddressValueError, IPv6Address
from math import floor

from tests.support.oracle_json import BLANKS, Rejected, Text, Value

MAX_COUNTER = 2**64 - 1

_NUMBER = re.compile(rb"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?")
_RFC3339 = re.compile(
    rb"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt _]([0-9]{2}):([0-9]{2})(?::([0-9]{2})([.,][0-9]+)?)?"
    rb" ?(?:[Zz]|UTC|GMT|([+-])([0-9]{2})(?::?([0-9]{2}))?)"
)
_BASIC = re.compile(rb"([0-9]{4})([0-9]{2})([0-9]{2})[Tt]([0-9]{2})([0-9]{2})([0-9]{2}.*)")
_COMMON_LOG = re.compile(
    rb"(\[)?([0-9]{2})/([A-Z][a-z]{2})/([0-9]{4}):([0-9]{2}):([0-9]{2}):([0-9]{2}(?:[.,][0-9]+)?)"
    rb"( ?(?:[Zz]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?))(?(1)\])"
)
_HEADER_DATE = re.compile(
    rb"(?:[^,]{0,9}, )?([0-9]{2})([ -])([A-Z][a-z]{2})\2([0-9]{4}|[0-9]{2}) "
    rb"([0-9]{2}):([0-9]{2}):([0-9]{2}(?:[.,][0-9]+)?)"
    rb"( ?(?:[Zz]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?))",
)
_CTIME = re.compile(
    rb".{3} ([A-Z][a-z]{2}) ([ 0-9][0-9]) ([0-9]{2}):([0-9]{2}):([0-9]{2}(?:[.,][0-9]+)?)"
    rb"( ?(?:[Zz]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)) ([0-9]{4})",
    re.DOTALL,
)
_SLASHED = re.compile(rb"([0-9]{4})/([0-9]{2})/([0-9]{2}.*)", re.DOTALL)
_WITH_COMMA = re.compile(rb"([0-9]{10}),([0-9]+)")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_LIST_BORDER = re.compile(rb",|^: | :(?: |$)")
_ESCAPES = dict(zip(b'bfnrt/\\"', (b"\b", b"\f", b"\n", b"\r", b"\t", b"/", b"\\", b'"'), strict=True))


# --- absent, or a text ---------------------------------------------------------------------------------------------


def present(value: Value | None) -> bytes | None:
    """Return the trimmed text as it was written; None if it is absent or nested."""
    if not isinstance(value, Text):
        return None
    text = value.raw.strip(BLANKS)
    if text in (b"", b"-") or (text == b"null" and not value.quoted):
        return None
    return text


def plain(value: Value | None) -> str | None:
    """Return the text without escapes; None if it is absent, empty or a dash."""
    raw = present(value)
    text = None if raw is None else unescape(raw).strip(" ")
    return None if text in ("", "-") else text


def lower(text: str) -> str:
    """Lower-case the ASCII letters and no others."""
    return "".join(char.lower() if char.isascii() else char for char in text)


def unescape(raw: bytes) -> str:
    """Decode the escapes, legal and illegal; U+FFFD replaces what is not text."""
    out = bytearray()
    at = 0
    while at < len(raw):
        piece, at = _next_piece(raw, at)
        out += piece
    text = out.decode("utf-8", "replace")
    return "".join("\ufffd" if char < " " or "\x7f" <= char <= "\x9f" else char for char in text)


def _next_piece(raw: bytes, at: int) -> tuple[bytes, int]:
    """Return the bytes of the byte or escape at a position, and the position after it."""
    if raw[at] != ord("\\") or at + 1 == len(raw):
        return raw[at : at + 1], at + 1
    kind = raw[at + 1]
    if kind in _ESCAPES:
        return _ESCAPES[kind], at + 2
    byte = _hex(raw, at, b"x", 2)
    if byte is not None:
        return bytes([byte]), at + 4
    unit = _hex(raw, at, b"u", 4)
    if unit is not None:
        return _code_point(raw, at, unit)
    # Not an escape: the backslash stands for itself, and so does the next byte.
    return b"\\", at + 1


def _code_point(raw: bytes, at: int, unit: int) -> tuple[bytes, int]:
    """Read one or two UTF-16 units; a surrogate without its partner becomes U+FFFD."""
    second = _hex(raw, at + 6, b"u", 4)
    if 0xD800 <= unit < 0xDC00 and second is not None and 0xDC00 <= second < 0xE000:
        joined = 0x10000 + (unit - 0xD800) * 0x400 + (second - 0xDC00)
        return chr(joined).encode(), at + 12
    char = "\ufffd" if 0xD800 <= unit < 0xE000 else chr(unit)
    return char.encode(), at + 6


def _hex(raw: bytes, at: int, kind: bytes, digits: int) -> int | None:
    """Read backslash, kind and exactly so many hexadecimal digits."""
    match = re.compile(rb"\\" + kind + b"([0-9a-fA-F]{%d})" % digits).match(raw, at)
    return int(match[1], 16) if match else None


def split(value: Value | None) -> list[Value | None]:
    """Split a list of nginx, which has one value per attempt; any other value is one element."""
    text = present(value)
    if text is None:
        return [value]
    return [Text(element.strip(BLANKS), quoted=True) for element in _LIST_BORDER.split(text)]


# --- numbers -------------------------------------------------------------------------------------------------------


def number(text: bytes) -> tuple[bool, Fraction] | None:
    """Read a number: whether it is negative, and its absolute value; None if it is not a number."""
    if not _NUMBER.fullmatch(text):
        return None
    # Decimal is exact for any number of digits; int() rejects very long texts.
    return text.startswith(b"-"), abs(Fraction(Decimal(text.decode())))


def quantity(value: Value | None) -> Fraction | None:
    """Read a quantity; negative numbers and other texts are absent."""
    text = present(value)
    read = None if text is None else number(text)
    return None if read is None or read[0] else read[1]


def size(value: Value | None) -> int | None:
    """Read a number of bytes."""
    read = quantity(value)
    return None if read is None or int(read) > MAX_COUNTER else int(read)


def milliseconds(value: Value | None, unit: int = 1) -> Fraction | None:
    """Read an exact time in units of so many milliseconds; above 2^63 ns it is absent."""
    read = quantity(value)
    if read is None or read * unit > Fraction(2**63, 10**6):
        return None
    return read * unit


def weight(value: Value | None, default: int) -> int:
    """Read how many requests a line stands for."""
    text = present(value)
    if text is None:
        return default
    read = number(text)
    if read is not None and read[0]:
        return default
    if read is None or read[1].denominator != 1 or not 1 <= read[1] <= 2**32:
        raise Rejected("bad_weight")
    return int(read[1])


def client_status(text: bytes) -> int | None:
    """Read the status sent to the client; None if the client left first."""
    read = number(text)
    if read is None or read[1].denominator != 1:
        raise Rejected("bad_status")
    negative, code = read
    if negative:
        return None
    if code > 999:
        raise Rejected("bad_status")
    return counted_status(int(code))


def origin_status(value: Value | None) -> int | None:
    """Read a status from an origin as it was logged, 0…999; any other is absent."""
    read = quantity(value)
    return None if read is None or read.denominator != 1 or read > 999 else int(read)


def counted_status(code: int | None) -> int | None:
    """Return a status if a range counts it, None otherwise."""
    return code if code is not None and 100 <= code <= 599 else None


# --- time ----------------------------------------------------------------------------------------------------------


def second(value: Value | None, duration: Value | None) -> int | None:
    """Read the second in which a request ended; None if absent or negative. A duration in ms is added to the time."""
    text = present(value)
    if text is None:
        return None
    read = number(text)
    if read is not None and read[0]:
        return None
    moment = _calendar(text) if read is None else _unix(text, read[1])
    # Both are cut to nanoseconds.
    took = floor((milliseconds(duration) or 0) * 10**6)
    return (floor(moment * 10**9) + took) // 10**9


def _unix(text: bytes, ticks: Fraction) -> Fraction:
    """Detect the unit of a Unix time by its magnitude. Fourteen digits of a date are none."""
    if len(text) == 14 and 20 * 10**12 <= floor(ticks) < 21 * 10**12:
        raise Rejected("bad_ts")
    if floor(ticks) > MAX_COUNTER:
        raise Rejected("bad_ts")
    if floor(ticks) < 10**11:
        return ticks
    if floor(ticks) < 10**14:
        return ticks / 10**3
    if floor(ticks) < 10**17:
        return ticks / 10**6
    return ticks / 10**9


def end(value: Value | None, duration: Value | None = None) -> int | None:
    """Read the second of another field, if it has one."""
    try:
        return second(value, duration)
    except Rejected:
        return None


def _calendar(text: bytes) -> Fraction:
    """Read a date as servers write it."""
    if basic := _BASIC.fullmatch(text):
        return _rfc3339(b"%b-%b-%bT%b:%b:%b" % basic.groups())
    if slashed := _SLASHED.fullmatch(text):
        return _rfc3339(b"-".join(slashed.groups()))
    if comma := _WITH_COMMA.fullmatch(text):
        return Fraction(Decimal(b".".join(comma.groups()).decode()))
    if common := _COMMON_LOG.fullmatch(text):
        _, day, month, year, *time = common.groups()
    elif header := _HEADER_DATE.fullmatch(text):
        day, _, month, year, *time = header.groups()
    elif ctime := _CTIME.fullmatch(text):
        month, day, *time, year = ctime.groups()
    else:
        return _rfc3339(text)
    if month.decode() not in _MONTHS:
        raise Rejected("bad_ts")
    number = _MONTHS.index(month.decode()) + 1
    hour, minute, sec, offset = time
    day = day.replace(b" ", b"0")
    return _rfc3339(b"%b-%02d-%bT%b:%b:%b%b" % (b"20"[: 4 - len(year)] + year, number, day, hour, minute, sec, offset))


def _rfc3339(text: bytes) -> Fraction:
    """Read a calendar date with a time of day and an offset."""
    match = _RFC3339.fullmatch(text)
    if not match:
        raise Rejected("bad_ts")
    year, month, day, hour, minute, sec = (int(group or 0) for group in match.groups()[:6])
    part, sign, offset_hour, offset_minute = match[7], match[8], int(match[9] or 0), int(match[10] or 0)
    if hour > 23 or minute > 59 or sec > 60 or offset_hour > 23 or offset_minute > 59:
        raise Rejected("bad_ts")
    try:
        days = date(year, month, day).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        raise Rejected("bad_ts") from None
    offset = (offset_hour * 60 + offset_minute) * 60
    unix = days * 86400 + hour * 3600 + minute * 60 + sec - (-offset if sign == b"-" else offset)
    if unix < 0:
        raise Rejected("bad_ts")
    return unix + Fraction(Decimal("0." + (part or b".0").decode()[1:]))


# --- words ---------------------------------------------------------------------------------------------------------


def word(value: Value | None) -> str:
    """Return a word in lower case, empty if it is absent."""
    return lower(plain(value) or "")


def boolean(value: Value | None, *, default: bool) -> bool:
    """Read a flag; every other word is absent."""
    found = flag(value)
    return default if found is None else found


def flag(value: Value | None) -> bool | None:
    """Read a flag; None for every other word."""
    words = {True: ("true", "1", "yes", "on"), False: ("false", "0", "no", "off")}
    return next((flag for flag, spellings in words.items() if word(value) in spellings), None)


def is_ipv6(value: Value | None) -> bool:
    """Whether a word says so, or is an address of IPv6 that has none of IPv4 in it."""
    # As it was written: no edge escapes an address.
    said = lower((present(value) or b"").decode("latin-1"))
    return said in ("true", "1", "yes", "on", "ipv6") or (said.count(":") > 1 and "." not in said)


def cache_result(value: Value | None) -> str | None:
    """Map the edge's own word to hit, miss, pass, synth, error or None; of several caches, that of the last one."""
    said = word(value)
    members = [member.strip() for member in re.findall(r'(?:"(?:\\.|[^"\\])*"|[^,])+', said)]
    last = next(filter(None, reversed(members)), "")
    if ";" in last:
        name, *parameters = (part.strip() for part in re.findall(r'(?:"(?:\\.|[^"\\])*"|[^;])+', last))
        pairs = [tuple(part.strip() for part in (each + "=?1").split("=")[:2]) for each in parameters]
        if " " not in name or name.startswith('"'):
            words = [unquoted(word) for key, word in pairs if key == "fwd"]
            forwards = [word for word in words if word in (*_MISSES, *_PASSES)]
            if ("hit", "?1") in pairs:
                return "hit"
            if forwards:
                return "miss" if forwards[-1] in _MISSES else "pass"
    return _word_result(said) or known_result(last) or known_result(last.split(";")[0].strip())


def unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def known_result(said: str) -> str | None:
    """Map a word, of which more may be said behind it."""
    more = re.match(r"([^:/ ]*)(?:[:/]| from | \()", said)
    return _word_result(said) or (_word_result(more[1]) if more else None)


_MISSES = ("uri-miss", "vary-miss", "miss", "stale", "partial", "request")
"""Why a cache asked further, of RFC 9211."""

_PASSES = ("bypass", "method")
"""The same, where it did not look for an answer."""

_WORDS = {
    "hit": "hit stale updating revalidated refreshhit originshieldhit tcp_refresh_unmodified tcp_refresh_fail_old "
    "remote_hit partial_hit",
    "miss": "miss hitmiss expired tcp_client_refresh tcp_refresh_modified",
    "pass": "pass bypass scarce hitpass pipe uncacheable dynamic ignored tcp_tunnel config_nocache cache_noconfig "
    "private_nostore",
    "synth": "synth redirect tcp_redirect",
    "error": "error limitexceeded capacityexceeded tcp_refresh_fail_err",
}
"""Whole words."""

_SENTENCES = (
    "http status 304 not modified",
    "query string present but no explicit expiration time",
    "authorization required",
    "vary header contains '*'",
    "expires header already expired; not cacheable",
    "invalid content length",
    "environment variable 'no-cache' is set",
    "r->no_cache present",
)
"""Why Apache did not cache, in whole sentences."""

_STARTS = {
    "hit": ("hit-", "hit_", "cache hit", "conditional cache hit", "tcp_hit_", "tcp_mem_hit_"),
    "miss": ("miss-", "miss_", "cache miss", "conditional cache miss", "tcp_miss_"),
    "pass": (
        *("hitpass-", "pass-", "pipe-", "response status ", "cache-control: ", "cache invalidated by "),
        *("no last-modified; ", "broken expires header: ", "s-maxage or max-age zero "),
    ),
    "synth": ("function", "lambda"),
    "error": ("error-", "err_"),
}
"""How other words begin."""


def _word_result(said: str) -> str | None:
    """Map one word."""
    for result, words in _WORDS.items():
        if said in words.split():
            return result
    for result, starts in _STARTS.items():
        if said.startswith(starts):
            return result
    if said.startswith("tcp_") and said.endswith(("_hit", "_miss")):
        return said.rsplit("_", 1)[1]
    return "pass" if said in _SENTENCES else None


def proto_field(value: Value | None) -> str | None:
    """Name the field that counts a protocol, if one does."""
    said = word(value)
    for prefix in ("http/", "http", "h"):
        if said.startswith(prefix):
            said = said.removeprefix(prefix)
            break
    if said[:1] == "2":
        return "http2"
    return "http3" if said[:1] in tuple("3456789") else None


def tls_field(value: Value | None) -> str | None:
    """Name the field that counts a TLS version, if one does."""
    said = word(value)
    said = said.removeprefix("tlsv") if said.startswith("tlsv") else said.removeprefix("tls")
    versions = {"1": "tls_v10", "1.0": "tls_v10", "1.1": "tls_v11", "1.2": "tls_v12", "1.3": "tls_v13"}
    # The protocol's own numbers, 0x0301 and up.
    versions |= {str(0x0301 + minor): f"tls_v1{minor}" for minor in range(4)}
    return versions.get(said.lstrip(" "))


# --- keys ----------------------------------------------------------------------------------------------------------


def service(value: Value | None, default: str) -> str:
    """Read the service that a record belongs to."""
    said = plain(value)
    if said is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", said):
        raise Rejected("bad_service_id")
    return said or default


def bounded(text: str, limit: int) -> str:
    """Return a key of at most so many bytes, or `_invalid`."""
    return text if len(text.encode()) <= limit else "_invalid"


def domain(value: Value | None) -> str:
    """Normalize a Host header to a host name or an address; any other is `_invalid`."""
    said = word(value)
    if said.startswith("["):
        bracketed = re.fullmatch(r"\[([^\]]*)\](?::[0-9]*)?", said)
        return _ipv6(bracketed[1]) if bracketed else "_invalid"
    if said.count(":") > 1:
        return _ipv6(said)
    name = re.sub(r":[0-9]*\Z", "", said).removesuffix(".")
    valid = len(name) <= 253 and all(re.fullmatch("[a-z0-9_-]{1,63}", label) for label in name.split("."))
    return name if valid else "_invalid"


def _ipv6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except AddressValueError:
        return "_invalid"
    if address.scope_id is not None:
        return "_invalid"
    # Newer versions of Python write these like this by themselves.
    return f"::ffff:{address.ipv4_mapped}" if address.ipv4_mapped else address.compressed


def addresses(value: Value | None) -> bool:
    """Whether there is an address. Without one, Traffic Server writes a zero and Caddy a placeholder."""
    said = plain(value) or ""
    return said not in ("", "0") and not said.startswith("{")


def address(value: Value | None) -> str | None:
    """Read the address of an origin without its port."""
    said = plain(value) or ""
    if not addresses(value):
        return None
    scheme, separator, rest = said.partition("://")
    if separator and scheme != "unix":
        # Apache logs the URL of a balancer's member.
        said = rest.partition("/")[0]
    said = lower(said)
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::[0-9]*)?", said)
    if bracketed:
        said = bracketed[1]
    elif said.count(":") <= 1 and not said.startswith("unix:"):
        said = re.sub(r":[0-9]*\Z", "", said)
    return bounded(said, 255) or None


def origin_name(value: Value | None) -> str | None:
    """Read the name of a backend."""
    said = plain(value)
    return None if said is None else bounded(said, 255)
