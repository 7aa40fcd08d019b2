"""`edgetally demo`: a service with made-up traffic."""
