"""Which paths are those of api.fastly.com. By itself: what answers them is imported when one is first asked for."""

OPENID = "/realms/fastly/.well-known/openid-configuration"
"""Served without a token: clients ask for it before they send one."""

ROOTS = frozenset(
    {"datacenters", "enabled-products", "entitled-products", "realms", "service", "stats", "tls", "tokens", "verify"}
)
"""The first parts of the paths."""


def is_compat(path: list[str]) -> bool:
    """Whether a path is one of api.fastly.com. `/metrics` by itself is for Prometheus."""
    return path[0] in ROOTS or (path[0] == "metrics" and len(path) > 1)
