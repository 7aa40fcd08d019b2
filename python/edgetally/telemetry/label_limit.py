"""Which names have a label of their own. Names come from the open internet, and every label costs somebody memory."""

from edgetally.model import OTHER


class Labels:
    """
    The first `most` names have a label each, and the others share `_other`.

    A name keeps its label for good: a counter that went down would be taken for a restart.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def of(self, name: str) -> str:
        """Return the label of `name`."""
        if name in self._known:
            return name
        if len(self._known) >= self._most:
            return OTHER
        self._known.add(name)
        return name
