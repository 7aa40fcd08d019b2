"""Values of the fields of a record: the realistic ones, then the quirks."""

from collections.abc import Sequence

HOSTS = rb"""
    "alpha.example" "beta.example" "ALPHA.example" "alpha.example:8080" "alpha.example." "Beta.Example.:443"
    "127.0.0.1:80" "[::1]" "[::1]:443" "[2001:DB8::1]" "2001:db8::1" "[::FFFF:1.2.3.4]" "1:0:0:2:0:0:0:3"
    "a_b-c.example" "xn--bcher-kva.example"
""".split()
ODD_HOSTS = [
    *rb"""
    "" "-" null {} [] 12 true alpha.example "alpha.example:" "alpha.example:abc" "alpha.example:99999" "h:80:80"
    "alpha.example.." ".example" ".." "." ":" ":80" "a..b" "[::1" "::1]" "[::1]x" "[::1]:x" "[]" "[1.2.3.4]"
    "[fe80::1%25eth0]" "fe80::1%eth0" "::ffff:1.2.3.4" "::1.2.3.04" "1:2:3:4:5:6:7:8" "1:2:3:4:5:6:7:8:9"
    "1::2::3" "12345::" "user@h" "a/b" "al\/pha.example" "\x61lpha.example" "\u0061lpha.example"
    "alpha\u002Eexample" "b\xc3\xbccher.example" "\u00" "\ud83d\ude00" "\ud83d" "\udc00\ud83d" "\ud83d\u0041"
    "al\pha" "\]" "\\" "\"alpha.example\"" "{\"x\":1}" "\t" "\u0000" "\x" "\xg1" "\u12\u0061" "_other"
    "_invalid"
""".split(),
    b'" alpha.example\t"',
    b'"default server name"',
    b'"alpha.example, beta.example"',
    b'"alpha\texample"',
    b'"\x01\x1b\x7f"',
    b'"\\u009b31m\xc2\x9b\xc2\x80"',
    b'"b\xc3\xbccher.example"',
    b'"\xff\xfe.example"',
    b'"\xe2\x82"',
    b'"\xe2\x80\xa8"',
    b'"\xed\xa0\x80"',
    b'"' + b"a" * 63 + b'.example"',
    b'"' + b"a" * 64 + b'.example"',
    b'"' + b"a." * 126 + b'a"',
    b'"' + b"a." * 126 + b'aa"',
    b'"' + b"a." * 126 + b'a."',
]

SIZES = (
    rb'0 1 85 "85" 1000 "0" 123456 "40" 7 300 1024 10239 20480 "102400" 1048575 10485760 "104857600" 1073741824'.split()
)
ODD_SIZES = [
    *rb"""
    "" "-" null - -1 "-1" -0 "abc" NaN true {} [1] "+2" 1.9 "3.9991790000000003" 1. .5 1e3 "1E+3" 15e-1 1e
    1e1234 0x10 007 1_000 18446744073709551615 18446744073709551616 18446744073709551615.9 9223372036854775807
    1e19 1e999 1e-999 "1,2" "1, 2" "1\u0030" "{http.reverse_proxy.size}"
    99999999999999999999999999999999999999999
""".split(),
    b'" 85 "',
    b'"85\t"',
    b'"8 5"',
    b'"\xd9\xa1"',
    b"1" * 5000,
]

STATUSES = (
    rb'200 "200" 304 404 406 206 "301" 503 500 "499" 103 416 429 530 204 302 400 401 403 501 502 504 505 418'.split()
)
ODD_STATUSES = rb"""
    "000" 0 "0" "009" 009 -1 "-1" 99 100 199 444 494 499 599 600 999 1000 9999 "9999" "" "-" null - abc true
    "+200" 200.0 "0200" 2e2 20000e-2 200.5 -200.5 -0 "-abc" {} [200] "200, 304" 1e999
""".split()

ADDRESSES = rb"""
    "127.0.0.1:9001" "127.0.0.1:9002" "127.0.0.1" "10.0.0.1:80" "[::1]:9001" "::1" "unix:/run/app.sock"
""".split()
ODD_ADDRESSES = [
    *rb"""
    "" "-" null 0 "0" "0:0" ":80" "[::1]" "[::1]x" "[]:1" "[" "2001:DB8::1" "h:abc" "h:" "POOL_A"
    "unix:/run/a:1" {} [] 10 "\u0031" "http://10.0.0.7:8080" "H2C://[2001:DB8::1]:80/x" "unix:///run/a" "://x" "http://"
    "{http.reverse_proxy.upstream.hostport}" "\u007bx" "http:\/\/h:1\/"
""".split(),
    b'" 127.0.0.1:9001 "',
    b'"127.0.0.1:9001,127.0.0.1:9002"',
    b'"127.0.0.1:9002, 127.0.0.1:9004, 127.0.0.1:9001"',
    b'"127.0.0.1:9001 : 127.0.0.1:9001"',
    b'"[::1]:9001, unix:/run/app.sock : -"',
    b'"-, 0"',
    b'","',
    b'"127.0.0.1:9001,"',
    b'" : "',
    b'"' + b"a" * 255 + b'"',
    b'"' + b"a" * 256 + b'"',
]
NAMES = [b'"origin_a"', b'"origin_b"', b'"pool_retry"', b'"Origin A"']
ODD_NAMES = [
    *rb'"" "-" null 1 {} "_unknown" "\xc3\xa9" "\xc3" "a\]b" "\ud83d\ude00" "\u0007" "\u0020" "\u002d" "a,b"'.split(),
    b'"origin_a, origin_b"',
    b'"origin_a : origin_b, -"',
    b'"\xff"',
    b'"\x02"',
    b'"' + b"n" * 255 + b'"',
    b'"' + b"n" * 254 + b'\\u00e9"',
]

SECONDS = rb'"0.001" 0.001 "0.300" 1 0 "0.000" 0.25 60 "12.5"'.split()
MILLISECONDS = (
    rb'0 1 1.0001 "5" 10 "10.000001" 50 100 250 "250.5" 500 1000 5000 10000 60000 60000.001 99 150 49.999 3'.split()
)
ODD_TIMES = rb"""
    "" "-" null -1 "-" "abc" {} "0.001, -" 1e-999 1e3 9223372036854.775808 9223372036854.775809
    9223372036.854775808 9223372036.8547759 1e13 1e12 3.9991790000000003 1e999 "+1" 50.0000000000000000000000001
""".split()
LISTS = (
    (b"origin_addr", (b"127.0.0.1:9001", b"127.0.0.1:9002", b"-", b"[::1]:9001", b"unix:/run/app.sock", b"0")),
    (b"origin_status", (b"200", b"503", b"502", b"-", b"304", b"000", b"")),
    (b"bereq_bytes", (b"92", b"0", b"97", b"-")),
    (b"beresp_bytes", (b"294", b"0", b"110", b"-")),
    (b"beresp_body_bytes", (b"200", b"0", b"-")),
    (b"origin_ttfb_s", (b"0.001", b"-", b"0.000", b"0.100")),
    (b"origin", (b"origin_a", b"origin_b", b"-")),
)

CACHES = rb'"HIT" "MISS" "PASS" "hit" "miss" "EXPIRED" "STALE" "BYPASS" "TCP_HIT" "TCP_MISS" "-" ""'.split()
ODD_CACHES = [
    *rb"""
    "UPDATING" "REVALIDATED" "revalidate" "HIT-STALE" "HIT-CLUSTER" "HIT_x" "HITPASS" "hitmiss" "MISS-CLUSTER"
    "miss_x" "missx" "Hit" "RefreshHit" "OriginShieldHit" "Miss" "dynamic" "synth" "pipe" "ERROR" "NONE"
    "ERR_CONNECT_FAIL" "Error" "Redirect" "LimitExceeded" "SCARCE" "PASS-x" "PIPE-x" "ERROR-x" "ignored" "uncacheable"
    "TCP_MEM_HIT" "TCP_IMS_HIT" "TCP_REFRESH_HIT" "TCP_EXPIRED_MISS" "TCP_REFRESH_MISS" "TCP_CLIENT_REFRESH"
    "TCP_CLIENT_REFRESH_MISS" "TCP_SWAPFAIL_MISS" "TCP_DENIED" "tcp_hit_x" "xtcp_hit" hit null true {}
    "h\u0069t" "\xffhit"
""".split(),
    b'" hit "',
    b'"cache hit"',
    b'"Cache HIT: x"',
    b'"cache miss: attempting entity save"',
    b'"conditional cache hit: entity refreshed"',
    b'"Souin; hit; ttl=4; key=GET-https-shop.example-/a"',
    b'"Souin; fwd=uri-miss; stored; key=GET-https-shop.example-/b"',
    b'"c; fwd=bypass"',
    b'"c;hit=?0 ; FWD = Miss"',
    b'"c; fwd=sideways"',
    b'"c; stored"',
    b'"; hit"',
    b'", ,"',
    b'"Origin; hit; ttl=1100, \\"CDN, Company; Here\\"; fwd=uri-miss"',
    b'"Origin; fwd=miss, Edge; hit; ttl=545"',
    b'"two words; hit"',
    b'"No Last-Modified; hit"',
    b'"MISS, HIT"',
    b'"HIT, MISS, x"',
    b'"c; fwd=miss; fwd=sideways"',
    b'"hit-front; fwd=sideways"',
    b'"FunctionGeneratedResponse"',
    b'"Response status 503"',
    b"\"Vary header contains '*'\"",
]
PROTOS = rb'"h1" "h2" "h3" "HTTP/1.1" "HTTP/2.0" "HTTP/3.0" "1.1" "2.0" "http/2" 2'.split()
ODD_PROTOS = rb"""
    "" "-" null "HTTP/0.9" "HTTP/2.5" "HTTP2" "http/h2" "hh2" "HTTP\/2.0" "9" "h10" "h4" 3.0 "quic" {} "h"
    "HTTP/"
""".split()
TLSES = [*rb'"TLSv1.2" "TLSv1.3" "" "-" "1.3" 1.2 "TLSv1" "TLSv1.1"'.split(), b'"TLS 1.3"']
ODD_TLSES = [
    *rb"""
    "TLSv1.0" "tls1.2" 1 769 770 "771" 772 773 "1.4" "TLSv1.30" "SSLv3" null 1.30 {} "tlsvtls1.3" "TLSv"
""".split(),
    b'"TLSv 1.2"',
]

IPV6 = rb'"192.0.2.1" "2001:db8::1" true 0 "IPv6" "-"'.split()
ODD_IPV6 = rb"""
    "" null 1 "0" "[2001:DB8::1]:443" "::ffff:192.0.2.1" "192.0.2.1:443" "ipv4" "IPV6" :: "::" ":" {} "yes" "\u0031"
    "a:b" "a:b:c" "TRUE"
""".split()
RESTARTS = rb'0 1 "2" 3'.split()
FLAGS = rb'true false "true" "false" 1 0 "1" "0"'.split()
ODD_FLAGS = rb'"TRUE" False "Yes" "no" "on" "OFF" "none" "" "-" null 2 {} -1 1.0'.split()
WEIGHTS = rb'1 2 10 "100"'.split()
ODD_WEIGHTS = rb"""
    0 "0" 1.5 abc 1e12 4294967296 4294967297 2.0 1e2 -1 "-" "" null -0 "+3" {} "1, 2" 4294967295
""".split()
SERVICES = rb'"svc-a" "svc_b" "-" ""'.split()
ODD_SERVICES = [
    *rb'null 1 {} "a/b" "\u0041" "svc\x2da" "_" "\u00e9"'.split(),
    b'"a b"',
    b'" svc-a "',
    b'"\xff"',
    b'"' + b"s" * 64 + b'"',
    b'"' + b"s" * 65 + b'"',
]
POPS = rb'"fra" "lhr" "-"'.split()
ODD_POPS = [
    *rb'"" null 7 {} "FRA" "\x66ra" "\u0001"'.split(),
    b'" fra "',
    b'"\xff"',
    b'"' + b"p" * 64 + b'"',
    b'"' + b"p" * 65 + b'"',
]
ODD_TIMESTAMPS = [
    *rb"""
    "" "-" null -1 "-5" abc {} [] 0 1 99999999999 100000000000 99999999999999 100000000000000 99999999999999999
    100000000000000000 18446744073709551615 18446744073709551616 1e20 1e999 1.795314035e9 "+1795314035.5"
    "2026-02-29T00:00:00Z" "2024-02-29T00:00:00Z" "1970-01-01T00:00:00Z" "1970-01-01T00:59:59+01:00"
    "1969-12-31T23:59:59Z" "0000-01-01T00:00:00Z" "9999-12-31T23:59:60-23:59" "60000-01-01T00:00:00Z"
    "2026-13-01T00:00:00Z" "2026-11-22T24:00:00Z" "2026-11-22T02:60:00Z" "2026-11-22T02:20:60Z"
    "2026-11-22T02:20:61Z" "2026-11-22T02:20:35" "2026-11-22T02:20:35.Z" "2026-11-22T02:20:35,5Z"
    "2026-11-22T02:20:35+0100" "2026-11-22T02:20:35+24:00" "2026-11-22T02:20:35+01:60" "2026-11-22T02:20Z"
    "2026-11-22" "22/Nov/2026:02:20:35" 2026-11-22 2026-11-22T02:20:35Z "2026-11-22T02\u003a20:35Z"
    "1795314035,5"
""".split(),
    b'"2026-11-22 02:20:35z"',
    b'"22/Nov/2026:02:20:35 +0000"',
    b'"Sun, 22 Nov 2026 02:20:35 GMT"',
    b'"Sun, 22 Nov 2026 02:20:35"',
    b'"2026-11-22T02:20:35,9Z"',
    b'"2026-11-22 02:20:35 UTC"',
    b'"[22/Nov/2026:03:20:34.5 +0100]"',
    b'"[22/Nov/2026:03:20:34 +0100]"',
    b'"[22/Nov/2026:03:20:34 +0100"',
    b'"31/Nov/2026:02:20:35 +0000"',
    b'"22/nov/2026:02:20:35 +0000"',
    b'"22/Nov/2026:02:20:35-01"',
    b'"2026-11-22 03:20:35.5 +0100"',
    b'"2026-11-22T01:20:35-01"',
    b'"2026-11-22T02:20:35 Z"',
    b'"2026-11-22T02:20:35+010"',
    b'"2026-11-22T02:20:35  +0100"',
    b'" 2026-11-22t02:20:35.123456789Z "',
    b'"2026-11-22  02:20:35Z"',
    b'"2026-11-22_02:20:35Z"',
    b'"2026/11/22 02:20:35.5 +0000"',
    b'"2026/11/22 02:20:35"',
    b'"2026/11-22 02:20:35Z"',
    b'"Sunday, 22-Nov-26 02:20:35 GMT"',
    b'"Sun, 22-Nov-2026 02:20:35.5 GMT"',
    b'"22 Nov 2026 03:20:35 +0100"',
    b'"Sun, 22 Nov-2026 02:20:35 GMT"',
    b'"Sun Nov 22 02:20:35 UTC 2026"',
    b'"Mon Nov  2 02:20:35 +0100 2026"',
    b'"Sun Nov 22 02:20:35 2026"',
    b'"20261122022035"',
]

FIELDS: dict[bytes, tuple[Sequence[bytes], Sequence[bytes]]] = {
    b"service_id": (SERVICES, ODD_SERVICES),
    b"pop": (POPS, ODD_POPS),
    b"domain": (HOSTS, ODD_HOSTS),
    b"duration_ms": (MILLISECONDS, ODD_TIMES),
    b"edge_time_ms": (MILLISECONDS, ODD_TIMES),
    b"edge_time_s": (SECONDS, ODD_TIMES),
    b"ipv6": (IPV6, ODD_IPV6),
    b"restarts": (RESTARTS, ODD_SIZES),
    b"collapsed": (FLAGS, ODD_FLAGS),
    b"weight": (WEIGHTS, ODD_WEIGHTS),
    b"status": (STATUSES, ODD_STATUSES),
    b"edge": (FLAGS, ODD_FLAGS),
    b"cache": (CACHES, ODD_CACHES),
    b"proto": (PROTOS, ODD_PROTOS),
    b"tls": (TLSES, ODD_TLSES),
    b"compute": (FLAGS, ODD_FLAGS),
    b"compute_execution_time_ms": (MILLISECONDS, ODD_TIMES),
    b"compute_request_time_ms": (MILLISECONDS, ODD_TIMES),
    b"origin": (NAMES, ODD_NAMES),
    b"origin_ip": (ADDRESSES, ODD_ADDRESSES),
    b"origin_addr": (ADDRESSES, ODD_ADDRESSES),
    b"origin_status": (STATUSES, [*ODD_STATUSES, b'"503, 502, 200"', b'"503, -"', b'"200 : 200"', b'"0, 0"']),
    b"origin_ttfb_ms": (MILLISECONDS, ODD_TIMES),
    b"origin_ttfb_s": (SECONDS, ODD_TIMES),
    b"origin_is_shield": (FLAGS, ODD_FLAGS),
    **{
        f"{family}_{part}bytes".encode(): (SIZES, ODD_SIZES)
        for family in ("req", "resp", "bereq", "beresp")
        for part in ("header_", "body_", "")
    },
}

UNKNOWN = [
    (b'"method"', b'"GET"'),
    (b'"url"', b'"/a?b={\\"status\\":500}"'),
    (b'"ua"', b'"\\xE2\\]\\s \x01\x1b\t\xff\\"}"'),
    (b'"Status"', b"500"),
    (b'"status "', b"500"),
    (b'"stat\\u0075s"', b"500"),
    (b'""', b"1"),
    (b'"\\""', b"null"),
    (b'"request"', b'{"status":500,"weight":0,"origins":[{"ip":"10.9.9.9"}],"domain":"nested.example"}'),
    (b'"headers"', b'[["domain","x"],{"ts":"never"},"}",[]]'),
    (b'"mixed"', b'{"a":[[}"]}\\"",,::]}'),
    (b'"origins_x"', b'[{"ip":"10.9.9.9"}]'),
    (b'"n"', b"-1.5e+3"),
    (b'"junk"', b"\x00\x7f\xff\\"),
    # Not JSON, but nothing that a field asks for.
    (b'"upstream_response_time"', b""),
    (b'"upstream_connect_time"', b"0.001, 0.002 : -"),
    (b'"quoted_first"', b'"a", b'),
    (b'"no_list"', b"a b"),
]

JUNK = [
    b"127.0.0.1:42962 [22/Nov/2026:02:59:36.631] fe/2: SSL handshake failure (Connection closed)",
    b"{}",
    b"{ }",
    b"null",
    b"[]",
    b'[{"status":200}]',
    b'"status"',
    b"200",
    b"{",
    b"}",
    b"\xef\xbb\xbf{}",
    b"\x00",
    b"\x0b",
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    b"\x28\xb5\x2f\xfd\x24",
    b"\xfd7zXZ\0\0\x04",
    b"BZh91AY&SY",
    b"BZh01AY&SY",
    b"x\x9c\x01",
    b"{,}",
    b'{"status"}',
    b'{"status":}',
    b'{"status":200,}',
    b'{,"status":200}',
    b'{"status":200,,"pop":"fra"}',
    b'{"status" 200}',
    b'{"status"::200}',
    b'{"status":200,"a":}',
    b'{"status":200,"a":,"pop":"fra"}',
    b'{"status":200,"a":,}',
    b'{"status":200, 404,"a":1}',
    b'{"status":200,"a":1, 2,"pop":"fra"}',
    b'{"status":200,"a":1, 2,}',
    b'{"status":200,"a":1, {}}',
    b'{"status":200,"a":1 : 2',
    b'{"status":200,"origins":[{"a":}]}',
    b'\xef\xbb\xbf{"status":200}\x00\x00',
    b'{"status":200},',
    b'{"status":200},{"status":404}{"status":9999}',
    b'{"status":200}{"status":2',
    b'[{"status":200},{"status":404},',
    b"]",
    b'{"status":200]',
    b'{"status":]200}',
    b'{"status":200}}',
    b'{"status":200} {"status":200}',
    b'{"status":200"pop":"fra"}',
    b'{"status":200 "pop":"fra"}',
    b'{"status":2"',
    b'{"status":2{}}',
    b'{"status":"200"x}',
    b"{'status':200}",
    b"{status:200}",
    b'{"status":200,"a":[1}}',
    b'{"status":200,"origins":[1,]}',
    b'{"status":200,"origins":[,1]}',
    b'{"status":200,"origins":[1 2]}',
    b'{"status":200,"origins":[1}}',
    b'{"status":200,"origins":[{"ip":1]]}',
    b'{"status":200,"origins":[{"ip"}]}',
    b'{"status":200,"origins":[{}',
    b'{"status":200,"origins":[',
    b'{"status":200,"a":"\\',
    b'{"status":200,"a":"\\"}',
    b'<190>Nov 22 02:20:35 vm edge: {"status":200}',
]

SHAPES: Sequence[Sequence[bytes]] = [
    rb"status domain cache resp_header_bytes resp_body_bytes".split(),
    rb"service_id pop domain status cache proto tls req_bytes resp_bytes resp_body_bytes weight".split(),
    rb"""
    domain pop origin origin_ip origin_status bereq_header_bytes bereq_body_bytes beresp_header_bytes
    origin_ttfb_ms
""".split(),
    rb"""
    domain status origin origin_addr origin_status bereq_bytes beresp_bytes beresp_body_bytes origin_ttfb_s
""".split(),
    rb"domain status cache edge origin origin_ip origin_status origin_is_shield beresp_body_bytes".split(),
    rb"""
    domain compute status req_bytes req_body_bytes resp_bytes compute_execution_time_ms compute_request_time_ms
""".split(),
    rb"domain compute origin origin_ip origin_status bereq_bytes beresp_bytes origin_ttfb_ms weight".split(),
    rb"""
    domain compute status compute_request_time_ms req_header_bytes resp_header_bytes resp_bytes resp_body_bytes
""".split(),
    rb"domain status duration_ms resp_header_bytes resp_body_bytes".split(),
    rb"""
    domain status cache edge edge_time_ms edge_time_s ipv6 restarts collapsed req_bytes resp_header_bytes
    resp_body_bytes
""".split(),
    rb"domain status cache edge_time_s origin_addr origin_status origin_is_shield origin_ttfb_s resp_bytes".split(),
    rb"domain origin".split(),
]
