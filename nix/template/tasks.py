"""The service's tasks: `invoke --list` shows them."""

from estiba.tasks import ns

__all__ = ["ns"]
