"""The journal: partials become durable here, before their records are reported as accepted."""
