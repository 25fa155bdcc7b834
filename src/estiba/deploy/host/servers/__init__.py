"""PostgreSQL, Redis and nginx of a target."""
