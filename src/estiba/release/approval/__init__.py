"""Approvals of releases: who has agreed that a plan is carried out on a target, signed with an SSH key."""

from estiba.release.approval.give import approve
from estiba.release.approval.policy import find_rules, find_served, load_base, parse_served
from estiba.release.approval.record import Approval, Damaged
from estiba.release.approval.ref import load, store
from estiba.release.approval.signature import sign
from estiba.release.approval.verify import verify

__all__ = [
    "Approval",
    "Damaged",
    "approve",
    "find_rules",
    "find_served",
    "load",
    "load_base",
    "parse_served",
    "sign",
    "store",
    "verify",
]
