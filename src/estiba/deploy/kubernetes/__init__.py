"""Targets of kind `kubernetes`: a release of a Helm chart in a namespace of a cluster."""
