"""Client of OCI registries: authentication, push of images with their SBOMs, pull (OCI distribution-spec 1.1)."""
