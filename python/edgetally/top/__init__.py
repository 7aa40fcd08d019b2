"""`edgetally top`: the live ranking of a server in a terminal."""
