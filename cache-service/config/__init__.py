"""Settings, addresses and logs of the service."""
