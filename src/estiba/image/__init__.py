"""OCI images: documents, layouts on disk, reports, differences (OCI image-spec 1.1)."""
