"""Tasks."""

from estiba.tasks import ns
