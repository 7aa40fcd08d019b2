"""From the journal to sealed seconds, and to the readers who wait for them."""
