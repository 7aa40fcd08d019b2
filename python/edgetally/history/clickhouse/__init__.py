"""The history of a cluster: the same minutes, hours and days in ClickHouse, written and read by all of its readers."""
