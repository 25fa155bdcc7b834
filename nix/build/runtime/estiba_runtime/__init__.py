"""What runs first in an image: it waits for the databases and becomes the process that was asked for."""
