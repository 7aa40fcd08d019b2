"""An HTTP/1.1 server on asyncio. It knows nothing of Edgetally: what it needs from it is passed in."""
