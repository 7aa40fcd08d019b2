"""Settings: what there is to set, and how flags, environment variables and a file become one `Config`."""
