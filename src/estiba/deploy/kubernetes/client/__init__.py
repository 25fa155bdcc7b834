"""Clients of a cluster: kubectl and helm as programs, and the Kubernetes objects that they print."""
