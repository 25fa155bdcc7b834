"""Source distributions: metadata and build requirements, from their build backends (PEP 517)."""
