"""Releases: from a tag to a target along a plan, past gates and approvals, with a journal and a logbook."""
