"""The demo, `invoke demo`: a service from the template through build, deployment and rollback."""
