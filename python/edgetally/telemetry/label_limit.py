"""The cardinality limit: which names have a label of their own in the metrics."""

from edgetally.model import OTHER


class LabelLimit:
    """
    The first `most` names have a label each, all others share `_other`.

    Names come from the open internet, and every label costs memory here and in Prometheus. A name keeps its label for
    good, because a counter that disappears and comes back would look like a restart.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._names: set[str] = set()

    def label(self, name: str) -> str:
        """Return the label of `name`."""
        if name in self._names:
            return name
        if len(self._names) >= self._most:
            return OTHER
        self._names.add(name)
        return name
