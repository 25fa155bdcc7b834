"""What keeps processes running: runit, systemd above it, programs that run once."""
