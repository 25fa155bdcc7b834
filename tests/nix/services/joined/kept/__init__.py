NAME = "kept"
