"""The configurations that `edgetally formats` prints."""

import re

import pytest

from edgetally.errors import ConfigError
from edgetally.formats import snippet, snippets

NAMES = [one.name for one in snippets()]


def test_every_edge_has_a_title() -> None:
    assert "nginx" in NAMES
    assert [one.name for one in snippets() if not one.title] == []


@pytest.mark.parametrize("name", NAMES)
def test_an_edge_says_what_cannot_be_known(name: str) -> None:
    assert re.search(r"cannot (be known|tell)", snippet(name).text, re.IGNORECASE)


def test_an_edge_that_is_not_known_is_an_error_that_names_the_others() -> None:
    with pytest.raises(ConfigError, match=r"there are .*nginx"):
        snippet("lighttpd")
