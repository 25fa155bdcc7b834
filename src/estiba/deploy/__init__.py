"""Deployment of releases to targets: the `Target` protocol, the kinds of targets, and the logbook."""
