"""HTTP lives here, and only here."""
