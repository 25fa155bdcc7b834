"""Deploying a service to a target, and what a target tells about itself."""
