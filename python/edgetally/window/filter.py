"""Filters: what of an entry is shown."""

from typing import TYPE_CHECKING, NamedTuple, cast

from edgetally.window.shelf import ShelvedSecond

if TYPE_CHECKING:
    from edgetally import _core


class Filter(NamedTuple):
    """What of an entry is shown; see `edgetally._core.Sealed.entry`. By default all."""

    by_pop: bool = True
    names: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()

    def entry(self, second: ShelvedSecond, dataset: str) -> bytes:
        """Return what is shown of the entry of `second` in `dataset`."""
        if self == ALL:
            return second.bodies.get(dataset) or second.sealed.entry(dataset)
        # Only tests have others, and they filter none.
        sealed = cast("_core.Sealed", second.sealed)
        return sealed.entry(dataset, by_pop=self.by_pop, names=self.names, fields=self.fields)


ALL = Filter()
