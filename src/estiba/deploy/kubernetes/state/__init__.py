"""State of a target in its namespace: a Lease as its lock, a ConfigMap with its releases and its logbook."""
