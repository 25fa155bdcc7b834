"""What is lent, and to whom."""

from auditlog.registry import auditlog
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone


class LendingError(Exception):
    """An item cannot be assigned or returned now; the message says why."""


class Item(models.Model):
    """A thing of the catalogue."""

    code = models.CharField(
        max_length=32, unique=True, validators=[RegexValidator(r"^[A-Z0-9-]+\Z", "use capitals, digits and hyphens")]
    )
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="")

    class Meta:
        """By code."""

        ordering = ["code"]

    def __str__(self) -> str:
        """Return code and name."""
        return f"{self.code} {self.name}"

    @transaction.atomic
    def assign(self, holder: str) -> "Assignment":
        """Lend it to somebody, unless somebody has it."""
        item = Item.objects.select_for_update().get(pk=self.pk)
        if current := item.assignments.filter(returned=None).first():
            raise LendingError(f"{item.code} is with {current.holder} since {current.assigned:%Y-%m-%d}")
        return item.assignments.create(holder=holder)

    @transaction.atomic
    def take_back(self) -> "Assignment":
        """Note that it was returned."""
        current = self.assignments.select_for_update().filter(returned=None).first()
        if current is None:
            raise LendingError(f"{self.code} is with nobody")
        current.returned = timezone.now()
        current.save(update_fields=["returned"])
        return current


class Assignment(models.Model):
    """An item with a person, until it is returned."""

    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="assignments")
    holder = models.CharField(max_length=200)
    assigned = models.DateTimeField(default=timezone.now)
    returned = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Newest first; an item is with one person."""

        ordering = ["-assigned", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["item"], condition=Q(returned=None), name="item_is_with_one_person")
        ]

    def __str__(self) -> str:
        """Return who has what."""
        return f"{self.item} with {self.holder}"


class Reading(models.Model):
    """What a sensor in an item measured at a time: a series, which grows without end and is never changed."""

    hypertable = "time"

    pk = models.CompositePrimaryKey("item_id", "time")
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="readings")
    time = models.DateTimeField()
    value = models.FloatField()

    def __str__(self) -> str:
        """Return the value, and of what."""
        return f"{self.value:g} of {self.item}"


auditlog.register(Item)
auditlog.register(Assignment)
