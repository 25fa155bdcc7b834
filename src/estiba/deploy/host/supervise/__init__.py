"""Process supervision on a host target: runit, the systemd unit above it, one-shot programs, logs."""
