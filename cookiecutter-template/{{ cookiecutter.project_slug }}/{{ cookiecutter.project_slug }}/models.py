"""What is stored."""

from auditlog.registry import auditlog
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    """A person who can log in; a model of our own from the first migration on, so that it can grow."""


class Entry(models.Model):
    """A line of text with the time it was written."""

    text = models.CharField(max_length=200)
    written = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Newest first."""

        ordering = ["-written"]
        verbose_name = _("entry")
        verbose_name_plural = _("entries")

    def __str__(self) -> str:
        """Return the text."""
        return self.text


auditlog.register(Entry)
