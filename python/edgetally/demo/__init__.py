"""`edgetally demo`: made-up traffic, to look around."""
