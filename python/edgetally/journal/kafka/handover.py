"""From threads of clients to the event loop."""

import asyncio
from collections.abc import Callable


def tell(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    """Make a call on the event loop, unless it is closed."""
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        pass  # it is closed, and so are the callers
