"""The paths of api.fastly.com that answer from history."""
