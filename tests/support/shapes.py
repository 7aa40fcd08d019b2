"""Shapes of JSON: which keys an object has, and of which types."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Optional(NamedTuple):
    """A key that may be missing."""

    shape: object


Shape = object
"""A type; a value, which has to be the very same; a list of one shape, for all its items; or the shapes of all keys."""


def differences(value: Any, shape: Shape, where: str = "$") -> list[str]:  # noqa: ANN401 - JSON
    """Say what is different from `shape`: nothing if nothing is."""
    if isinstance(shape, Mapping):
        if not isinstance(value, dict):
            return [f"{where}: no object: {value!r}"]
        found = [f"{where}: unknown key {key!r}" for key in value.keys() - shape.keys()]
        for key, inner in shape.items():
            of = inner.shape if isinstance(inner, Optional) else inner
            if key in value:
                found += differences(value[key], of, f"{where}.{key}")
            elif not isinstance(inner, Optional):
                found.append(f"{where}: no key {key!r}")
        return found
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{where}: no list: {value!r}"]
        if not shape:
            return [f"{where}: not empty"] if value else []
        return [one for index, item in enumerate(value) for one in differences(item, shape[0], f"{where}[{index}]")]
    if isinstance(shape, type):
        # A boolean is an integer, too, in Python.
        return [] if type(value) is shape else [f"{where}: {value!r} is no {shape.__name__}"]
    return [] if type(value) is type(shape) and value == shape else [f"{where}: {value!r} is not {shape!r}"]
