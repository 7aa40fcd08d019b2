"""Whether a source is read as the format that its lines are in."""

from edgetally.snippets import CANONICAL
from edgetally.snippets.detection import found_format, name_of
from edgetally.telemetry.events import FormatDiffers, say

BLOCKS = 10
"""How many blocks are looked at, until a format is found: the first lines may be of other logs."""


class FormatCheck:
    """Looks at the first blocks of one source, or of all connections to an address, and warns once."""

    def __init__(self, source: str, format: str) -> None:
        """`format` is what the source is read as."""
        self._source = source
        self._format = format
        self._left = BLOCKS

    def look(self, block: bytes) -> None:
        """Look at the next block; after the first ones, do nothing."""
        if not self._left or not block:
            return
        self._left -= 1
        found = found_format(block, self._format)
        if found == name_of(self._format):
            self._left = 0
        elif found and found != CANONICAL:
            self._left = 0
            say(FormatDiffers(source=self._source, found=found, format=self._format))
