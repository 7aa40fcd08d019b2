"""The oracle against cases worked out by hand."""

import re
from typing import Any

import pytest
from hypothesis import assume, given

from tests.support import records
from tests.support.oracle import LINE_LIMIT, Folded, fold
from tests.support.oracle_fields import FIELDS

NOW = 1_795_314_035


def fold_one(line: bytes) -> Folded:
    return fold(line, service_id="svc", pop="lab1", now=NOW)


def keys(line: bytes, dataset: str = "domains") -> dict[str, Any]:
    """Return the aggregated keys of the only entry of a dataset; empty without an entry."""
    folded = fold_one(line)
    assert folded.rejected == []
    entries = [entry for entry in folded.entries if entry["dataset"] == dataset]
    assert len(entries) <= 1
    return dict(entries[0]["aggregated"]) if entries else {}


def only(line: bytes, dataset: str = "domains") -> dict[str, Any]:
    """Return the measurements of the only key that a line counts under."""
    (measurements,) = keys(line, dataset).values()
    return dict(measurements)


def test_field_lists_have_the_documented_lengths() -> None:
    assert {name: len(FIELDS[name]) for name in FIELDS} == {
        "channel": 150,
        "domains": 134,
        "origins": 156,
        "origin_insights": 24,
    }


def test_a_record_with_both_parts_from_end_to_end() -> None:
    line = (
        b'{"ts":1795314035.632,"service_id":"svc-a","pop":"fra","domain":"Alpha.example:443","weight":"2","status":"200",'
        b'"cache":"MISS","proto":"h2","tls":"TLSv1.3","resp_bytes":"177","resp_body_bytes":"40","origin":"origin_a",'
        b'"origin_addr":"127.0.0.1:9001","origin_status":"200","bereq_bytes":"87","beresp_bytes":"133",'
        b'"beresp_body_bytes":"40","origin_ttfb_s":"0.001"}'
    )
    domain = {
        "requests": 2,
        "status_200": 2,
        "status_2xx": 2,
        "resp_header_bytes": 274,
        "resp_body_bytes": 80,
        "edge_requests": 2,
        "edge_resp_header_bytes": 274,
        "edge_resp_body_bytes": 80,
        "edge_miss_requests": 2,
        "http2": 2,
        "tls_v13": 2,
        "origin_fetches": 2,
        "bereq_header_bytes": 174,
        "bandwidth": 528,
        "origin_fetch_resp_header_bytes": 186,
        "origin_fetch_resp_body_bytes": 80,
        "origin_status_200": 2,
        "origin_status_2xx": 2,
        "origin_offload": pytest.approx(88 / 354),
    }
    sizes = {"resp_header_bytes": 186, "resp_body_bytes": 80}
    response = {"responses": 2, "status_200": 2, "status_2xx": 2, **sizes}
    delivery = response | {"latency_0_to_1ms": 2}
    origin = delivery | {f"all_{name}": amount for name, amount in delivery.items()}
    common = {"service_id": "svc-a", "recorded": 1795314035}
    expected = [
        {"dataset": dataset, **common, "aggregated": aggregated, "datacenter": {"fra": aggregated}}
        for dataset, aggregated in (
            ("domains", {"alpha.example": domain}),
            ("origin_insights", {"origin_a": {"127.0.0.1": response}}),
            ("origins", {"origin_a": origin}),
        )
    ]
    folded = fold_one(line)
    assert folded.entries.pop(0)["dataset"] == "channel"
    assert Folded(expected, 1, [], lines=1, without_time=0) == folded


def test_the_channel_from_end_to_end() -> None:
    common = b'"ts":1795314035,"pop":"fra"'
    lines = [
        b'{%b,"status":200,"cache":"HIT","weight":2,"resp_header_bytes":10,"resp_body_bytes":1024,"edge_time_ms":1.5}',
        b'{%b,"status":406,"cache":"MISS","edge":false,"origin":"o","origin_ip":"a","origin_ttfb_ms":10.001,"tls":"1.3"}',
        b'{%b,"status":"000","cache":"PASS","req_bytes":7,"ipv6":"::1","restarts":3,"collapsed":true,"edge_time_s":1}',
        b'{%b,"origin_ip":"a","origin_status":304,"origin_is_shield":true,"bereq_bytes":5,"beresp_bytes":6}',
        b'{%b,"compute":true,"status":503,"cache":"HIT","origin_ip":"a"}',
    ]
    always = {"errors": 0, "synth": 0}
    hits = {"hits": 2, "all_hit_requests": 2, "edge_hit_requests": 2, "all_edge_hit_requests": 2, "hits_time": 0.003}
    hits |= {"hit_resp_body_bytes": 2048, "edge_hit_resp_header_bytes": 20, "edge_hit_resp_body_bytes": 2048}
    hits |= {"status_200": 2, "status_2xx": 2, "all_status_2xx": 2, "object_size_10k": 2, "origin_offload": 1.0}
    sent = {"resp_header_bytes": 20, "header_size": 20, "resp_body_bytes": 2048, "body_size": 2048}
    sent |= {"edge_resp_header_bytes": 20, "edge_resp_body_bytes": 2048, "requests": 4, "edge_requests": 3}
    miss = {"miss": 1, "all_miss_requests": 1, "shield_miss_requests": 1, "miss_histogram": {"20": 1}}
    miss |= {"miss_time": 0.010001, "origin_fetches": 1, "tls": 1, "tls_v13": 1, "hit_ratio": 2 / 3}
    miss |= {"status_406": 1, "status_4xx": 1, "all_status_4xx": 1, "object_size_1k": 1}
    passed = {"pass": 1, "all_pass_requests": 1, "pass_time": 1.0, "req_header_bytes": 7, "ipv6": 1, "restarts": 3}
    passed |= {"request_collapse_usable_count": 1}
    shield = {"shield": 1, "shield_fetches": 1, "shield_fetch_header_bytes": 5, "shield_fetch_resp_header_bytes": 6}
    shield |= {"shield_revalidations": 1}
    compute = {"compute_requests": 1, "compute_resp_status_503": 1, "compute_resp_status_5xx": 1, "all_status_5xx": 1}
    compute |= {"compute_bereqs": 1, "compute_bereq_errors": 1, "compute_service_bereq_error": 1}
    counted = always | hits | sent | miss | passed | shield | compute
    (entry,) = (
        one for one in fold_one(b"\n".join(line % common for line in lines)).entries if one["dataset"] == "channel"
    )
    assert entry["aggregated"] == counted
    assert entry["datacenter"] == {"fra": counted}


def test_pops_are_split_and_summed_and_seconds_are_not() -> None:
    data = b"\n".join(
        b'{"ts":%d,"pop":"%s","domain":"a","status":200}' % (ts, pop)
        for ts, pop in ((NOW, b"fra"), (NOW, b"lhr"), (NOW, b"fra"), (NOW + 1, b"fra"))
    )
    one = {"requests": 1, "edge_requests": 1, "status_200": 1, "status_2xx": 1}
    two, three = ({name: times * amount for name, amount in one.items()} for times in (2, 3))
    first, second = (entry for entry in fold_one(data).entries if entry["dataset"] == "domains")
    assert {"a": three} == first["aggregated"]
    assert {"fra": {"a": two}, "lhr": {"a": one}} == first["datacenter"]
    assert (NOW + 1, {"a": one}) == (second["recorded"], second["aggregated"])


# --- statuses, cache words, protocols -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "status"),
    [
        ({"status_200", "status_2xx"}, b"200"),
        ({"status_200", "status_2xx"}, b'"0200"'),
        ({"status_200", "status_2xx"}, b"20000e-2"),
        ({"status_1xx"}, b"103"),
        ({"status_499", "status_4xx"}, b'"499"'),
        ({"status_4xx"}, b"444"),
        ({"status_530", "status_5xx"}, b"530"),
        ({"status_5xx"}, b"599"),
        *((set(), status) for status in (b"0", b'"000"', b"009", b"-1", b'"-1"', b"99", b"600", b"999", b"-0")),
    ],
)
def test_status_counts_in_its_range_and_by_its_code(expected: set[str], status: bytes) -> None:
    measured = only(b'{"status":' + status + b"}")
    assert expected | {"requests", "edge_requests"} == set(measured)


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ("hit", "HIT hit Hit HIT-STALE hit_x STALE UPDATING REVALIDATED RefreshHit OriginShieldHit"),
        ("hit", "TCP_HIT TCP_MEM_HIT TCP_IMS_HIT TCP_REFRESH_HIT TCP_HIT_REDIRECT"),
        ("miss", "MISS miss MISS-CLUSTER miss_x hitmiss EXPIRED TCP_MISS TCP_REFRESH_MISS TCP_CLIENT_REFRESH"),
        ("pass", "HITPASS PASS BYPASS pipe dynamic uncacheable SCARCE PASS-x"),
        ("synth", "synth Redirect FunctionGeneratedResponse"),
        ("error", "ERROR Error-x ERR_CONNECT_FAIL LimitExceeded CapacityExceeded"),
        ("nothing", "TCP_DENIED missx tcp_hitx none -"),
    ],
)
def test_cache_words(expected: str, words: str) -> None:
    for word in words.split():
        line = b'{"status":200,"cache":"%s"}' % word.encode()
        got = [name for name in ("hit", "miss") if f"edge_{name}_requests" in only(line)]
        assert ([expected] if expected in ("hit", "miss") else []) == got, word
        (channel, _) = fold_one(line).entries
        outcomes = [name for name in channel["aggregated"] if re.fullmatch("all_[a-z]+_requests", name)]
        assert ([] if expected == "nothing" else [f"all_{expected}_requests"]) == outcomes, word


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ("hit", b"conditional cache hit: entity refreshed"),
        ("hit", b" cache hit "),
        ("miss", b"cache miss: attempting entity save"),
    ],
)
def test_cache_sentences(expected: str, words: bytes) -> None:
    assert only(b'{"status":200,"cache":"%s"}' % words)[f"edge_{expected}_requests"] == 1


@pytest.mark.parametrize(
    ("expected", "member"),
    [
        *(("http2", b'"proto":' + word) for word in (b'"h2"', b'"HTTP/2.0"', b'"http/2"', b"2.0", b'"HTTP\\/2.0"')),
        *(("http3", b'"proto":' + word) for word in (b'"h3"', b'"HTTP/3"', b'"9"')),
        *((None, b'"proto":' + word) for word in (b'"h1"', b'"HTTP/1.1"', b'"hh2"', b'"quic"', b'"-"')),
        *(("tls_v10", b'"tls":' + word) for word in (b'"TLSv1"', b'"TLSv1.0"', b"1")),
        *(("tls_v11", b'"tls":' + word) for word in (b'"TLSv1.1"', b"1.1")),
        *(("tls_v12", b'"tls":' + word) for word in (b'"tls1.2"', b'"TLSv 1.2"')),
        *(("tls_v13", b'"tls":' + word) for word in (b'"TLS 1.3"', b'"1.3"')),
        *((None, b'"tls":' + word) for word in (b'"SSLv3"', b'"1.4"', b'"TLSv1.30"', b'""')),
    ],
)
def test_protocols(expected: str | None, member: bytes) -> None:
    got = set(only(b'{"status":0,' + member + b"}")) - {"requests", "edge_requests"}
    assert ({expected} if expected else set()) == got


def test_ratios_come_from_sums_and_zero_ones_are_left_out() -> None:
    hit = b'{"status":200,"cache":"HIT","resp_body_bytes":100}\n'
    miss = b'{"status":200,"cache":"MISS","resp_body_bytes":100,"origin_ip":"o","beresp_body_bytes":%d}\n'
    measured = only(hit * 3 + miss % 100)
    assert (measured["edge_hit_ratio"], measured["origin_offload"]) == (0.75, 0.75)
    assert set() == {"edge_hit_ratio", "origin_offload"} & set(only(miss % 1000))


def test_a_shield_hop_is_a_request_but_not_an_edge_request() -> None:
    measured = only(b'{"status":200,"edge":"false","cache":"HIT","resp_body_bytes":5,"proto":"h2"}')
    expected = {"requests": 1, "status_200": 1, "status_2xx": 1, "resp_body_bytes": 5, "bandwidth": 5, "http2": 1}
    assert expected == measured


# --- domains ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "host"),
    [
        ("alpha.example", b'"ALPHA.Example:8080"'),
        ("alpha.example", b'"alpha.example:"'),
        ("alpha.example", b'"alpha.example.:8080"'),
        ("alpha.example", b'" alpha.example\t"'),
        ("alpha.example", b'"\\x61lpha\\u002eexample"'),
        ("alpha.example", b"alpha.example"),
        ("127.0.0.1", b'"127.0.0.1:80"'),
        ("::1", b'"[::1]"'),
        ("::1", b'"[::1]:443"'),
        ("2001:db8::1", b'"2001:DB8::1"'),
        ("a" * 63, b'"' + b"a" * 63 + b'"'),
        ("a." * 126 + "a", b'"' + b"a." * 126 + b'a."'),
        *(
            ("_invalid", b'"' + host + b'"')
            for host in (
                *(b"", b"-", b"alpha.example:abc", b"h:80:80", b".example", b"..", b".", b":80", b"a..b", b"[::1"),
                *(b"[::1]x", b"[]", b"[fe80::1%25eth0]", b"fe80::1%eth0", b"[1.2.3.4]", b"user@h", b"a/b", b"a b"),
                *(b"alpha.example..", b"a, b", b'{\\"x\\":1}', b"a\\tb", b"b\xc3\xbccher.example", b"\xff", b"a\x01"),
                *(b"a" * 64, b"a." * 126 + b"aa"),
            )
        ),
        ("_invalid", b"null"),
        ("_invalid", b'{"domain":"alpha.example"}'),
    ],
)
def test_domain(expected: str, host: bytes) -> None:
    assert [expected] == list(keys(b'{"status":200,"domain":' + host + b"}"))


@pytest.mark.parametrize(
    ("expected", "name"),
    [
        pytest.param("é", b"\xc3\xa9", id="raw UTF-8"),
        pytest.param("é", b"\\xc3\\xa9", id="escaped UTF-8"),
        ("é", b"\\u00E9"),
        ("\U0001f600", b"\\ud83d\\ude00"),
        ("\ufffdA", b"\\ud83d\\u0041"),
        ("\ufffd\U0001f600", b"\\ud83d\\ud83d\\ude00"),
        ("\ufffd", b"\\udc00"),
        ("\\u12g4", b"\\u12g4"),
        ("\\xg1", b"\\xg1"),
        ("a\\]\\s", b"a\\]\\s"),
        ('/\\"', b'\\/\\\\\\"'),
        ("\ufffd\ufffd\ufffd\ufffd", b"\\n\\u0000\x01\x7f"),
        ("a\ufffdb", b"a\xffb"),
        ("a\ufffd", b"a\xe2\x82"),
        ("a, b", b"a, b"),
        ("_invalid", b"n" * 256),
        ("10.0.0.1", b"-"),
        ("10.0.0.1", b" "),
    ],
)
def test_origin_name(expected: str, name: bytes) -> None:
    line = b'{"origin_status":200,"origin_ip":"10.0.0.1:80","origin":"' + name + b'"}'
    assert [expected] == list(keys(line, "origins"))
    assert {"10.0.0.1"} == set(keys(line, "origin_insights")[expected])


@pytest.mark.parametrize(
    ("expected", "members"),
    [
        ("127.0.0.1", b'"origin_addr":"127.0.0.1:9001"'),
        ("10.0.0.1", b'"origin_addr":"127.0.0.1:9001","origin_ip":"10.0.0.1"'),
        ("127.0.0.1", b'"origin_addr":"127.0.0.1:9001","origin_ip":"0"'),
        ("::1", b'"origin_addr":"[::1]:9001"'),
        ("2001:db8::1", b'"origin_ip":"2001:DB8::1"'),
        ("unix:/run/app.sock", b'"origin_addr":"unix:/run/app.sock"'),
        ("_unknown", b'"origin_ip":"-"'),
        ("_unknown", b'"origin_ip":0'),
        ("_invalid", b'"origin_ip":"' + b"a" * 256 + b'"'),
    ],
)
def test_origin_address(expected: str, members: bytes) -> None:
    line = b'{"origin_status":200,"origin":"o",' + members + b"}"
    assert {"o": {expected}} == {name: set(ips) for name, ips in keys(line, "origin_insights").items()}


# --- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "ts"),
    [
        (NOW, b'"-"'),
        (NOW, b"-5"),
        (NOW, b"{}"),
        (1795314000, b"1795314000.999"),
        (1795314000, b'"1795314000999"'),
        (1795314000, b"1795314000999999"),
        (1795314000, b"1795314000999999999"),
        (99_999_999_999, b"99999999999"),
        (100_000_000, b"100000000000"),
        (100_000_000, b"100000000000000"),
        (100_000_000, b"100000000000000000"),
        (18_446_744_073, b"18446744073709551615"),
        (0, b"0"),
        (1795314035, b'"2026-11-22T02:20:35Z"'),
        (1795314035, b'"2026-11-22 02:20:35.999999999z"'),
        (1795314035, b'"2026-11-22t03:20:35+01:00"'),
        (1795314035, b'"2026-11-21T16:50:35.5-09:30"'),
        (1795314060, b'"2026-11-22T02:20:60Z"'),
        (0, b'"1970-01-01T01:00:00+01:00"'),
    ],
)
def test_second(expected: int, ts: bytes) -> None:
    assert {expected} == {entry["recorded"] for entry in fold_one(b'{"status":200,"ts":' + ts + b"}").entries}


@pytest.mark.parametrize(
    ("expected", "member"),
    [
        ("0_to_1ms", b'"origin_ttfb_ms":0'),
        ("0_to_1ms", b'"origin_ttfb_s":"0.001"'),
        ("1_to_5ms", b'"origin_ttfb_ms":1.0000000000000000000000001'),
        ("1_to_5ms", b'"origin_ttfb_ms":5'),
        ("5_to_10ms", b'"origin_ttfb_ms":"+10"'),
        ("10_to_50ms", b'"origin_ttfb_ms":50'),
        ("50_to_100ms", b'"origin_ttfb_ms":100,"origin_ttfb_s":1'),
        ("100_to_250ms", b'"origin_ttfb_s":0.25'),
        ("250_to_500ms", b'"origin_ttfb_ms":500'),
        ("500_to_1000ms", b'"origin_ttfb_ms":"-","origin_ttfb_s":1'),
        ("1000_to_5000ms", b'"origin_ttfb_ms":5e3'),
        ("5000_to_10000ms", b'"origin_ttfb_ms":10000.000'),
        ("10000_to_60000ms", b'"origin_ttfb_s":60'),
        ("60000ms", b'"origin_ttfb_s":60.000001'),
        ("60000ms", b'"origin_ttfb_ms":9223372036854.775808'),
        (None, b'"origin_ttfb_ms":9223372036854.775809'),
        (None, b'"origin_ttfb_ms":"abc"'),
        (None, b'"origin_ttfb_ms":-1'),
    ],
)
def test_latency_bucket(expected: str | None, member: bytes) -> None:
    measured = only(b'{"origin_status":200,' + member + b"}", "origins")
    buckets = {name for name in measured if "latency" in name}
    assert ({f"latency_{expected}", f"all_latency_{expected}"} if expected else set()) == buckets


# --- sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "header", "body", "total"),
    [
        ((3, 4), b"3", b"4", b"-"),
        ((0, 4), b"-", b"4", b"-"),
        ((6, 4), b"-", b"4", b"10"),
        ((3, 7), b"3", b"-", b"10"),
        ((3, 0), b"3", b"-", b"2"),
        ((10, 0), b"-", b"-", b"10"),
        ((0, 10), b"-", b"40", b"10"),
        ((3, 10), b"3", b"40", b"10"),
        ((3, 0), b"3", b"4", b"0"),
        ((10, 0), b"-", b"abc", b"10"),
        ((10, 0), b"-", b"-1", b"10"),
        ((3, 1), b"3.999", b"+1", b"-"),
        ((2**64 - 1, 0), b"18446744073709551615.5", b"18446744073709551616", b"-"),
        ((0, 1000), b".5", b"1e3", b"1e999"),
    ],
)
def test_sizes(expected: tuple[int, int], header: bytes, body: bytes, total: bytes) -> None:
    sizes = b'"resp_header_bytes":"%s","resp_body_bytes":"%s","resp_bytes":"%s"' % (header, body, total)
    measured = only(b'{"status":200,' + sizes + b"}")
    assert expected == (measured.get("resp_header_bytes", 0), measured.get("resp_body_bytes", 0))


def test_counters_saturate() -> None:
    full = b'{"status":200,"resp_header_bytes":18446744073709551615,"resp_body_bytes":1,"weight":4294967296}\n'
    measured = only(full * 2)
    assert tuple(measured[name] for name in ("resp_header_bytes", "resp_body_bytes", "bandwidth")) == (
        2**64 - 1,
        2**33,
        2**64 - 1,
    )


# --- fetches ---------------------------------------------------------------------------------------------------------


def test_each_attempt_of_nginx_is_a_fetch() -> None:
    line = (
        b'{"origin":"pool","origin_addr":"127.0.0.1:9002, 127.0.0.1:9004 : [::1]:9001",'
        b'"origin_status":"503, 502 : 200",'
        b'"bereq_bytes":"92, 0 : 92","beresp_bytes":"110, 0 : 294","beresp_body_bytes":"0, 0 : 200",'
        b'"origin_ttfb_s":"0.001, - : 0.002"}'
    )
    domain = {
        "origin_fetches": 3,
        "bereq_header_bytes": 184,
        "bandwidth": 184,
        "origin_fetch_resp_header_bytes": 204,
        "origin_fetch_resp_body_bytes": 200,
        "origin_status_503": 1,
        "origin_status_5xx": 1,
        "origin_status_200": 1,
        "origin_status_2xx": 1,
    }
    assert domain == only(line)
    failed = {"responses": 1, "status_503": 1, "status_5xx": 1, "resp_header_bytes": 110}
    good = {"responses": 1, "status_200": 1, "status_2xx": 1, "resp_header_bytes": 94, "resp_body_bytes": 200}
    assert {"pool": {"127.0.0.1": failed, "::1": good}} == keys(line, "origin_insights")


@pytest.mark.parametrize(
    ("fetches", "responses", "members"),
    [
        pytest.param(3, 3, b'"origin_addr":"a,b,c","origin_status":200', id="one status for all"),
        pytest.param(3, 1, b'"origin_addr":"a,b,c","origin_status":"-, 200"', id="shorter list of statuses"),
        pytest.param(2, 2, b'"origin_ip":"a","origin_status":"200 : 200"', id="one address for all"),
        pytest.param(0, 0, b'"status":200,"origin_addr":"-, -"', id="nobody was asked"),
        pytest.param(1, 1, b'"origin_addr":", a","origin_status":"-, 200"', id="a name that could not be resolved"),
        pytest.param(1, 1, b'"origin_addr":"a : ","origin_status":"503 : "', id="the last group has no attempt"),
        pytest.param(2, 2, b'"origin_addr":"a, b : ","origin_status":"503, 200 : "', id="nor here"),
        pytest.param(1, 1, b'"origin_addr":" : a","origin_status":" : 200"', id="the first group has no attempt"),
        pytest.param(2, 2, b'"origin_addr":"a :  : b","origin_status":"503 :  : 200"', id="nor the second"),
        pytest.param(1, 1, b'"origin_status":200,"beresp_bytes":"1, 2"', id="sizes are not attempts"),
        pytest.param(1, 0, b'"origin_status":502,"beresp_bytes":0', id="made up by the edge"),
        pytest.param(1, 1, b'"origin_status":502,"beresp_bytes":0,"origin_ttfb_ms":0', id="a header did come"),
        pytest.param(1, 0, b'"origin_status":"009"', id="answered with garbage"),
        pytest.param(1, 0, b'"origin_ip":"a","origin_status":"-"', id="no status"),
        pytest.param(1, 0, b'"origin_ip":"a","origin_status":1000', id="not a status"),
        pytest.param(0, 0, b'"origin_status":"000","status":200', id="zero: no origin was asked"),
        pytest.param(0, 0, b'"origin":"a","status":200', id="a name is no fetch"),
        pytest.param(0, 0, b'"origin_status":200,"origin_is_shield":1', id="shield"),
        pytest.param(2, 1, b'"origins":[{"status":200},7,[{}],{}],"origin_ip":"a,b,c"', id="origins come first"),
        pytest.param(1, 1, b'"origins":[{"status":200},{"status":200,"is_shield":true}]', id="one of two a shield"),
        pytest.param(2, 2, b'"origins":[7],"origin_status":"200,200"', id="origins without an object"),
        pytest.param(1, 0, b'"origins":[{"status":"200,200"}]', id="no lists inside origins"),
    ],
)
def test_fetches_and_responses(fetches: int, responses: int, members: bytes) -> None:
    line = b"{" + members + b"}"
    of_domains, of_origins = (
        sum(measured.get(field, 0) for measured in keys(line, dataset).values())
        for dataset, field in (("domains", "origin_fetches"), ("origins", "responses"))
    )
    assert (fetches, responses) == (of_domains, of_origins)


def test_compute_counts_in_its_own_fields_only() -> None:
    line = (
        b'{"compute":true,"status":103,"cache":"HIT","proto":"h2","req_bytes":9,"resp_bytes":30,"resp_body_bytes":20,'
        b'"compute_execution_time_ms":1.9,"compute_request_time_ms":"50.001","weight":2,'
        b'"origins":[{"ip":"a","status":206,"bereq_bytes":7,"beresp_body_bytes":5},{"ip":"b","beresp_body_bytes":1}]}'
    )
    domain = {
        "compute_request": 2,
        "compute_resp_status_103": 2,
        "compute_resp_status_1xx": 2,
        "compute_req_header_bytes": 18,
        "compute_resp_header_bytes": 20,
        "compute_resp_body_bytes": 40,
        "compute_execution_time_ms": 2,
        "compute_request_time_ms": 100,
        "compute_request_time_billed_ms": 200,
        "compute_bereqs": 4,
        "compute_bereq_header_bytes": 14,
        "compute_beresp_body_bytes": 12,
        "compute_origin_status_206": 2,
        "compute_origin_status_2xx": 2,
        "compute_bereq_errors": 2,
    }
    assert domain == only(line)
    delivery = {"responses": 2, "status_206": 2, "status_2xx": 2, "resp_body_bytes": 10}
    families = {family + name: amount for family in ("compute_", "all_") for name, amount in delivery.items()}
    assert {"a": families} == keys(line, "origins")
    assert keys(line, "origin_insights") == {"a": {"a": {"responses": 2, "status_2xx": 2, "resp_body_bytes": 10}}}


@pytest.mark.parametrize(("expected", "time"), [(0, b"0"), (50, b"0.001"), (50, b"50"), (100, b"50.1")])
def test_billed_time(expected: int, time: bytes) -> None:
    measured = only(b'{"compute":1,"status":200,"compute_request_time_ms":' + time + b"}")
    assert expected == measured.get("compute_request_time_billed_ms", 0)


# --- lines -----------------------------------------------------------------------------------------------------------

LONGEST = b'{"status":200,"ua":"' + b"x" * (LINE_LIMIT - 22) + b'"}'


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        *(("not_json", line) for line in (b"SSL handshake failure", b"[7]", b"null", b"}")),
        *(("not_json", line) for line in (b'{"status" 200}', b'{"status":}', b'{"status":200}}', b'{"status":2"')),
        *(("not_json", line) for line in (b'{"status":200 "a":1}', b'{"status":200]', b"{status:200}")),
        *(("not_json", line) for line in (b'{"origins":[1,]}', b'{"origins":[{"a"}]}', b'{"origins":[1}', b"\xef{}")),
        *(
            ("truncated", line)
            for line in (b"{", b'{"status', b'{"status"', b'{"status":', b'{"status":20', b'{"a":1,')
        ),
        *(("truncated", line) for line in (b'{"a":"\\"}', b'{"a":"\\', b'{"a":[{}', b'{"origins":[{}', b'{"a":{"}"')),
        *(("bad_weight", b'{"status":9999,"ts":"x","weight":' + w + b"}") for w in (b"0", b"1.5", b"abc", b"1e12")),
        *(("bad_service_id", b'{"service_id":"' + name + b'"}') for name in (b"a b", b"s" * 65, b"\\u00e9")),
        *(("no_part", line) for line in (b"{}", b"{,}", b'{"a":{1]}x}', b'{"status":null,"ts":"x"}')),
        *(("no_part", line) for line in (b'{"origin":"a","origin_status":0}',)),
        *(("no_part", line) for line in (b'{"x":{"status":200}}', b'{"stat\\u0075s":200}', b'{"status":1,"status":-}')),
        *(("bad_status", b'{"ts":"x","status":' + s + b"}") for s in (b"1000", b"9999", b"abc", b"200.5", b'"200, 1"')),
        *(("bad_ts", b'{"status":200,"ts":' + ts + b"}") for ts in (b"abc", b"1e20", b'"60000-01-01T00:00:00Z"')),
        *(
            ("bad_ts", b'{"status":200,"ts":"' + ts + b'"}')
            for ts in (b"2026-02-29T00:00:00Z", b"2026-11-22T02:20:61Z")
        ),
        *(("bad_ts", b'{"status":200,"ts":"' + ts + b'"}') for ts in (b"1969-12-31T23:59:59Z", b"2026-11-22T02:20:35")),
        pytest.param("too_long", b" " + LONGEST, id="one byte too long"),
        pytest.param("too_long", b"x" * (LINE_LIMIT + 1), id="long junk"),
    ],
)
def test_rejected(reason: str, line: bytes) -> None:
    assert Folded([], 0, [(2, reason)], lines=3, without_time=0) == fold_one(b"\n" + line + b"\n\r\n")


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b'\t{ "status" : 200 , "a":1}\r', id="blanks"),
        pytest.param(b'{"ua":"\\xE2\\]\\s\x01\xff\\"}","status":200}', id="illegal strings"),
        pytest.param(b'{"a":[{"b":"}]"}],"c":{"status":404,"d":[[]},"status":200}', id="nested"),
        pytest.param(b'{"status":404,"a":NaN,"status":"+200"}', id="the last duplicate wins"),
        pytest.param(LONGEST, id="as long as may be"),
        pytest.param(b'{"status":200,"weight":-3,"ts":null,"service_id":"-","edge":"yes"}', id="absent values"),
    ],
)
def test_accepted(line: bytes) -> None:
    assert only(line) == {"requests": 1, "edge_requests": 1, "status_200": 1, "status_2xx": 1}


# --- the generated input ---------------------------------------------------------------------------------------------


def test_the_sample_is_deterministic_and_reaches_every_reason_and_field() -> None:
    data = records.sample(7, 16_000)
    assert data == records.sample(7, 16_000)
    assert data.count(b"\n") == 16_000
    folded = fold(data, service_id="svc", pop="lab1", now=records.NOW)
    assert folded.accepted > 3000
    reasons = {reason for _, reason in folded.rejected}
    wanted = {
        "compressed",
        "too_long",
        "not_json",
        "truncated",
        "other_log",
        "bad_weight",
        "bad_service_id",
        "no_part",
        "bad_status",
        "bad_ts",
    }
    assert wanted == reasons
    shown = {name for entry in folded.entries for name in names(entry["aggregated"])}
    unreached = {name for fields in FIELDS.values() for name in fields if not name.startswith("waf_")} - shown
    assert unreached == set()


def names(tree: dict[str, Any]) -> set[str]:
    """Return the names of all measurements in a tree."""
    inner = [subtree for subtree in tree.values() if isinstance(subtree, dict)]
    return set().union(*map(names, inner)) if inner and "miss_histogram" not in tree else set(tree)


@given(records.log())
def test_every_line_is_accepted_rejected_or_blank(data: bytes) -> None:
    # Several records or messages in a line, and one over several lines, have tests of their own.
    joint = re.compile(rb"\}[\s,\0]*\{|\0\s*[^\s\0]")
    spread = re.compile(rb"\{[^\n]*[^}\s]\s*\n\s*(?:\{[^\"]|[\],\"}])|:\s*\n\s+\{")
    assume(not any(line.strip() == b"{" or joint.search(line) for line in data.split(b"\n")))
    assume(not spread.search(data))
    folded = fold_one(data)
    # The punctuation of an array is blank, too.
    blank = sum(not line.strip(b" \t\r\0[],") for line in data.split(b"\n"))
    assert len(data.split(b"\n")) == folded.accepted + len(folded.rejected) + blank


@given(records.line())
def test_a_line_has_no_newline_and_counts_alike_anywhere(line: bytes) -> None:
    assert b"\n" not in line
    # The carriage return counts towards the limit.
    assume(len(line) < records.LINE_LIMIT)
    assert fold_one(line).entries == fold_one(b"junk\n" + line + b"\r\n").entries
