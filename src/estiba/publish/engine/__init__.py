"""Docker engines: loading an image, and a container of it for a trial."""
