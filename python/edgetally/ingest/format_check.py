"""Whether a source is read as the format that its lines are in."""

from edgetally.snippets.detection import other_format
from edgetally.telemetry.events import FormatDiffers, say

BLOCKS = 10
"""How many blocks are looked at: the first lines may be of other logs."""


class FormatCheck:
    """Looks at the first blocks of one source, and warns once."""

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
        if found := other_format(block, self._format):
            self._left = 0
            say(FormatDiffers(source=self._source, found=found, format=self._format))
