"""Where partials become durable before anyone is told that their records were accepted."""
