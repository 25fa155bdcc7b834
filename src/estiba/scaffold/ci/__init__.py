"""Files of CI systems, rendered from one description of a service's jobs."""
