"""The front of a machine: one nginx that ends TLS for all services of a user, and what keeps their certificates."""
