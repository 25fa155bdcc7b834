"""OCI images: their documents, a layout on disk, reports and differences."""
