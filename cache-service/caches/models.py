"""What is stored."""

from __future__ import annotations

import hashlib
import itertools
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from caches import vault
from protocol.signature import SecretKey

if TYPE_CHECKING:
    from datetime import datetime

RESERVED = frozenset({"admin", "api", "internal", "livez", "media", "metrics", "readyz", "static"})
"""First parts of addresses that are not a cache's."""

LEASE = timedelta(hours=1)
"""How long what a pusher was told to be there stays there."""

UPLOAD = timedelta(hours=6)
"""How long a NAR stays that was sent, and waits for its narinfo."""

_TOKEN_BYTES = 32
_TOKEN_PREFIX = "cache_"  # noqa: S105 - so that scanners of secrets find one


def refuse_reserved(name: str) -> None:
    """Refuse a name that is the start of another address."""
    if name in RESERVED:
        message = f"{name} is an address of the service itself"
        raise ValidationError(message)


class Scope(models.TextChoices):
    """What a token allows."""

    READ = "read"
    PUSH = "push"
    PIN = "pin"
    DELETE = "delete"
    ADMIN = "admin"


class User(AbstractUser):
    """A person who can log in; a model of our own from the first migration on, so that it can grow."""


class Cache(models.Model):
    """A binary cache, with keys, tokens and paths of its own: nothing is shared with another one."""

    name = models.CharField(
        max_length=50,
        unique=True,
        validators=[
            RegexValidator(r"^[a-z0-9][a-z0-9-]*$", "use small letters, digits and dashes"),
            refuse_reserved,
        ],
    )
    is_public = models.BooleanField(default=False, help_text="everybody may read")
    priority = models.PositiveIntegerField(default=41, help_text="for clients, a smaller one is asked first")
    keep_days = models.PositiveIntegerField(
        default=30, help_text="days for which a path is kept after it was pushed last, without a pin"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    def sign_keys(self) -> list[SecretKey]:
        """Return the keys that sign, the newest first."""
        rows = self.signing_keys.filter(is_retired=False).order_by("-pk")
        return [row.secret for row in rows]


class SigningKey(models.Model):
    """A key that signs what a cache publishes; a cache has several while clients learn a new one."""

    cache = models.ForeignKey(Cache, on_delete=models.CASCADE, related_name="signing_keys")
    name = models.CharField(max_length=100, unique=True)
    public = models.CharField(max_length=200)
    sealed = models.BinaryField(help_text="the secret key, encrypted with KEYS_SECRET")
    is_retired = models.BooleanField(default=False, help_text="signs nothing more")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        """Return the public key."""
        return self.public

    @classmethod
    def generate(cls, cache: Cache, name: str = "") -> Self:
        """Create a key; by default it is called after the cache, with a number."""
        taken = set(cls.objects.filter(name__startswith=f"{cache.name}-").values_list("name", flat=True))
        numbered = (f"{cache.name}-{number}" for number in itertools.count(1))
        chosen = name or next(one for one in numbered if one not in taken)
        secret = SecretKey.generate(chosen)
        return cls.objects.create(cache=cache, name=chosen, public=secret.public, sealed=vault.seal(secret.text))

    @property
    def secret(self) -> SecretKey:
        """The secret key."""
        return SecretKey(vault.open_sealed(bytes(self.sealed)))


class Token(models.Model):
    """A right to do something with a cache; the database has the hash of the secret alone."""

    cache = models.ForeignKey(Cache, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100, help_text="whose it is, or what for")
    digest = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=10, choices=Scope))
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    @classmethod
    def create(
        cls, cache: Cache, name: str, scopes: list[str], *, expires_at: datetime | None = None
    ) -> tuple[Self, str]:
        """Create a token and return it with its secret, which nobody can read again."""
        secret = _TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
        made = cls.objects.create(
            cache=cache, name=name, digest=cls.digest_of(secret), scopes=scopes, expires_at=expires_at
        )
        return made, secret

    @classmethod
    def find(cls, secret: str) -> Self | None:
        """Return the valid token of a secret.

        It is found by its hash, which tells whoever measures the time of the search nothing of a secret.
        """
        now = timezone.now()
        is_valid = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now))
        return cls.objects.select_related("cache").filter(is_valid, digest=cls.digest_of(secret)).first()

    @staticmethod
    def digest_of(secret: str) -> str:
        """Return what is stored of a secret; it is random, so that a hash that takes long would add nothing."""
        return hashlib.sha256(secret.encode()).hexdigest()

    def allows(self, scope: str) -> bool:
        """Tell whether the token has a scope; `admin` includes all, and each includes `read`."""
        return scope == Scope.READ or scope in self.scopes or Scope.ADMIN in self.scopes


class NarFile(models.Model):
    """A compressed NAR, whole and on disk.

    Each file has a name of its own: one that was deleted and comes again cannot meet the deletion of the former one.
    """

    cache = models.ForeignKey(Cache, on_delete=models.CASCADE, related_name="nar_files")
    file_hash = models.CharField(max_length=52)
    compression = models.CharField(max_length=10)
    file_size = models.BigIntegerField()
    place = models.CharField(max_length=150, unique=True, help_text="relative to the folder of NARs")
    is_published = models.BooleanField(default=False, help_text="a path has had it; before, it is for pushers alone")
    created_at = models.DateTimeField(auto_now_add=True)
    leased_until = models.DateTimeField(help_text="it stays until then, whether a path has it or not")

    class Meta:
        """One file for each content."""

        constraints = [
            models.UniqueConstraint(fields=["cache", "file_hash", "compression"], name="nar_file_of_content"),
        ]

    def __str__(self) -> str:
        """Return the name of the file."""
        return self.place


class StorePath(models.Model):
    """A store path that a cache has published, and so with all that it refers to."""

    cache = models.ForeignKey(Cache, on_delete=models.CASCADE, related_name="paths")
    hash_part = models.CharField(max_length=32)
    base_name = models.CharField(max_length=244)
    nar_hash = models.CharField(max_length=52)
    nar_size = models.BigIntegerField()
    nar_file = models.ForeignKey(NarFile, on_delete=models.PROTECT, related_name="paths")
    references = models.ManyToManyField("self", symmetrical=False, related_name="referrers", through="Reference")
    narinfo = models.TextField(help_text="as it is sent")
    published_at = models.DateTimeField(auto_now_add=True)
    published_by = models.ForeignKey(Token, on_delete=models.SET_NULL, null=True, blank=True)
    pushed_at = models.DateTimeField(help_text="when a pusher sent it, or was told that it is there")
    tombstoned_at = models.DateTimeField(null=True, blank=True, db_index=True)

    class Meta:
        """One path for each hash."""

        constraints = [models.UniqueConstraint(fields=["cache", "hash_part"], name="path_of_hash")]
        indexes = [models.Index(fields=["cache", "pushed_at"])]

    def __str__(self) -> str:
        """Return the name."""
        return self.base_name


class Reference(models.Model):
    """A reference of a store path to another one of the same cache."""

    referrer = models.ForeignKey(StorePath, on_delete=models.CASCADE, related_name="+")
    target = models.ForeignKey(StorePath, on_delete=models.PROTECT, related_name="+")

    class Meta:
        """Once each."""

        constraints = [models.UniqueConstraint(fields=["referrer", "target"], name="reference_once")]

    def __str__(self) -> str:
        """Return both ends."""
        return f"{self.referrer_id} → {self.target_id}"


class Document(models.Model):
    """A small file beside the paths: a listing, a log, a realisation; stored and sent as it is."""

    cache = models.ForeignKey(Cache, on_delete=models.CASCADE, related_name="documents")
    place = models.CharField(max_length=300)
    body = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """One for each address."""

        constraints = [models.UniqueConstraint(fields=["cache", "place"], name="document_of_place")]

    def __str__(self) -> str:
        """Return the address."""
        return self.place


class Pin(models.Model):
    """A name for a store path, which keeps it with its closure; the newest of a name count."""

    cache = models.ForeignKey(Cache, on_delete=models.CASCADE, related_name="pins")
    name = models.CharField(max_length=200)
    path = models.ForeignKey(StorePath, on_delete=models.PROTECT, related_name="pins")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(Token, on_delete=models.SET_NULL, null=True, blank=True)

    class Meta:
        """By name, the newest first."""

        indexes = [models.Index(fields=["cache", "name", "-created_at"])]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Lease(models.Model):
    """A promise to a pusher: what is or comes under this hash stays until then, whether it is there yet or not."""

    cache = models.ForeignKey(Cache, on_delete=models.CASCADE, related_name="leases")
    session = models.UUIDField()
    hash_part = models.CharField(max_length=32)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        """Once for each session."""

        constraints = [models.UniqueConstraint(fields=["session", "hash_part"], name="lease_once")]
        indexes = [models.Index(fields=["cache", "hash_part"])]

    def __str__(self) -> str:
        """Return the hash."""
        return self.hash_part


class Audit(models.Model):
    """Who did what to which path of a cache, also after the path is gone."""

    cache = models.ForeignKey(Cache, on_delete=models.CASCADE, related_name="audit")
    token = models.ForeignKey(Token, on_delete=models.SET_NULL, null=True, blank=True)
    who = models.CharField(max_length=100)
    action = models.CharField(max_length=20)
    subject = models.CharField(max_length=300)
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        """Newest first."""

        ordering = ["-at"]

    def __str__(self) -> str:
        """Return who did what."""
        return f"{self.who}: {self.action} {self.subject}"


class Deletion(models.Model):
    """A file whose row is gone; it is deleted once nobody can be reading it any more."""

    place = models.CharField(max_length=150, unique=True)
    not_before = models.DateTimeField(db_index=True)
    tried_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        """Return the name of the file."""
        return self.place
