"""OCI registries: authentication, uploads, pushing an image with its bills of materials."""
