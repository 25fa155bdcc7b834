"""The whole way of a service, from the template to a rollback: `invoke demo`."""
