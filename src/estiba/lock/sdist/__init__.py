"""Source distributions: what they need to be built, asked of their own build backends."""
