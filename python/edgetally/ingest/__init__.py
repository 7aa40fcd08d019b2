"""From bytes to durable partials: fold, then journal."""
