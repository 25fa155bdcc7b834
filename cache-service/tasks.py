"""The tasks of this service; `invoke --list` shows them."""

from estiba.tasks import ns

__all__ = ["ns"]
