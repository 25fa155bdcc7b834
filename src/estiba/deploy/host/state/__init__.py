"""State folder of a host target: revisions, logbook, lock."""
