"""Assertions in the modules that tests share explain themselves, too."""

import pytest

pytest.register_assert_rewrite("tests.edges.common", "tests.edges.conformance")
