"""What `edgetally check` prints of settings that are valid."""

from collections.abc import Iterator

from edgetally.access.policy import Policy
from edgetally.config.sections import Config


def summary(config: Config, policy: Policy) -> Iterator[str]:
    """Yield lines on what a server with these settings would do."""
    journal = config.journal.directory if config.journal.kind == "sqlite" else "memory"
    yield "ok"
    yield f"listens on {policy.scheme}://{config.api.listen}, {_tokens(config, policy)}, journal in {journal}"
    sources = ["push", *(f"file {one.path}" for one in config.sources.follow)]
    sources += [f"syslog {one.listen}" for one in config.sources.syslog]
    yield f"sources: {', '.join([*sources, *['standard input'] * config.sources.stdin])}"


def _tokens(config: Config, policy: Policy) -> str:
    if policy.tokens is None:
        return f"no tokens ({config.token_file} does not exist)"
    valid = sum(not one.revoked for one in policy.tokens)
    return f"{valid} valid {'token' if valid == 1 else 'tokens'} in {config.token_file}"
