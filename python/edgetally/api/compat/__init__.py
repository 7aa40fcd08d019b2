"""The paths of api.fastly.com that clients of the real-time API ask around it: services, POPs, tokens, products."""
