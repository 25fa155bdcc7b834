"""What lies in the folder of a target: its revisions, its logbook, its lock."""
