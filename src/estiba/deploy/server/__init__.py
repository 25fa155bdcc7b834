"""What runs on the server of a target with `ssh`, from the store path that was copied there."""
