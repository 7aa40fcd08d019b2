"""From the journal to sealed seconds, and to the readers that wait for them."""
