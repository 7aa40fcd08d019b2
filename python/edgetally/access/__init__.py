"""Who may do what, where the server may listen, and its certificate."""
