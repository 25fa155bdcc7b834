"""OCI images: reading a layout, loading it into an engine, pushing it to a registry, proving it."""
