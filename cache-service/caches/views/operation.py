"""What operators ask of a cache: pins, figures, reasons, collections, deletions, checks and tokens."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Sum
from django.http import HttpResponse, JsonResponse
from django.utils import timezone

from caches import collection, fsck, pins, removal
from caches.access import CacheView, Refusal, enter
from caches.models import Pin, Scope, Token
from caches.views.body import SMALL, read_json

if TYPE_CHECKING:
    from django.http import HttpRequest

_MAX_DAYS = 3650
_MAX_NAME = 100
_MAX_NUMBER = 1 << 63


class Pins(CacheView):
    """The pins of a cache."""

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        """List them, the newest first."""
        visit = enter(request, name, Scope.READ)
        found = visit.cache.pins.select_related("path").order_by("-pk")
        listed = [
            {"name": pin.name, "path": pin.path.base_name, "created_at": pin.created_at.isoformat()} for pin in found
        ]
        return JsonResponse({"pins": listed})


class PinView(CacheView):
    """A pin by its name."""

    def put(self, request: HttpRequest, name: str, pin: str) -> HttpResponse:
        """Give a store path the name."""
        visit = enter(request, name, Scope.PIN)
        body = read_json(request, SMALL)
        path, keep = body.get("path"), body.get("keep", pins.KEEP)
        if not isinstance(path, str) or type(keep) is not int:
            raise Refusal(HTTPStatus.BAD_REQUEST, "a pin has 'path', a text, and 'keep', a number")
        pins.pin(visit, pin, path, keep=keep)
        kept = Pin.objects.filter(cache=visit.cache, name=pin).order_by("-pk").values_list("path__base_name", flat=True)
        return JsonResponse({"name": pin, "paths": list(kept)})

    def delete(self, request: HttpRequest, name: str, pin: str) -> HttpResponse:
        """Remove the name from all its paths."""
        return JsonResponse({"name": pin, "removed": pins.unpin(enter(request, name, Scope.PIN), pin)})


class Figures(CacheView):
    """How much a cache has."""

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        """Count paths, bytes and pins."""
        cache = enter(request, name, Scope.READ).cache
        paths = cache.paths.aggregate(count=Count("pk"), size=Sum("nar_size"))
        files = cache.nar_files.aggregate(count=Count("pk"), size=Sum("file_size"))
        return JsonResponse(
            {
                "file_size": files["size"] or 0,
                "files": files["count"],
                "marked": cache.paths.exclude(tombstoned_at=None).count(),
                "nar_size": paths["size"] or 0,
                "paths": paths["count"],
                "pins": cache.pins.values("name").distinct().count(),
            }
        )


class Reason(CacheView):
    """Why a path is kept."""

    def get(self, request: HttpRequest, name: str, hash_part: str) -> HttpResponse:
        """Tell."""
        visit = enter(request, name, Scope.READ)
        path = visit.cache.paths.filter(hash_part=hash_part).select_related("cache").first()
        if path is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "no such path")
        return JsonResponse({"reason": collection.explain(path)})


class Collections(CacheView):
    """Collections of a cache."""

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        """Collect now, or say what would be done."""
        visit = enter(request, name, Scope.DELETE)
        is_trial = read_json(request, SMALL).get("dry_run", False)
        if not isinstance(is_trial, bool):
            raise Refusal(HTTPStatus.BAD_REQUEST, "'dry_run' is not true or false")
        found = collection.collect(visit.cache, dry_run=is_trial)
        if not is_trial:
            visit.record("collect", f"{len(found.deleted)} paths, {found.files} files")
        return JsonResponse(
            {
                "deleted": list(found.deleted),
                "files": found.files,
                "kept": found.kept,
                "marked": found.marked,
                "size": found.size,
            }
        )


class Deletions(CacheView):
    """Deletions of single paths."""

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        """Delete one that nothing needs, or say whether it would be deleted."""
        visit = enter(request, name, Scope.DELETE)
        body = read_json(request, SMALL)
        path, is_trial = body.get("path"), body.get("dry_run", False)
        if not isinstance(path, str) or not isinstance(is_trial, bool):
            raise Refusal(HTTPStatus.BAD_REQUEST, "a deletion has 'path', a text, and maybe 'dry_run', true or false")
        found = removal.remove(visit, path, dry_run=is_trial)
        return JsonResponse({"path": found.base_name, "size": found.nar_size})


class Checks(CacheView):
    """Comparisons of the files of a cache with the database."""

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        """Do a step of one, which `last` of the former step begins; the last step says 0."""
        visit = enter(request, name, Scope.ADMIN)
        body = read_json(request, SMALL)
        thorough, repair, after = body.get("read", False), body.get("repair", False), body.get("after", 0)
        if not isinstance(thorough, bool) or not isinstance(repair, bool):
            raise Refusal(HTTPStatus.BAD_REQUEST, "'read' or 'repair' is not true or false")
        if type(after) is not int or not 0 <= after < _MAX_NUMBER:
            raise Refusal(HTTPStatus.BAD_REQUEST, "'after' is not what a former answer had as 'last'")
        found = fsck.check_some(visit.cache, thorough=thorough, repair=repair, after=after)
        if repair:
            counts = f"{len(found.damaged)} damaged, {found.written} published again, {found.removed} files removed"
            visit.record("repair", counts)
        damaged = [{"path": path, "reason": reason} for path, reason in found.damaged]
        return JsonResponse(
            {"damaged": damaged, "last": found.last, "removed": found.removed, "written": found.written}
        )


class Tokens(CacheView):
    """The tokens of a cache."""

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        """Make one, and show its secret once."""
        visit = enter(request, name, Scope.ADMIN)
        body = read_json(request, SMALL)
        who, scopes, days = body.get("name"), body.get("scopes"), body.get("days")
        _check_token(who, scopes, days)
        end = timezone.now() + timedelta(days=days) if days else None
        token, secret = Token.create(visit.cache, who, sorted(set(scopes)), expires_at=end)
        visit.record("token", f"{token.name} {' '.join(token.scopes)}")
        return JsonResponse({"name": token.name, "token": secret}, status=HTTPStatus.CREATED)


def _check_token(who: Any, scopes: Any, days: Any) -> None:
    if not isinstance(who, str) or not who.isprintable() or not 0 < len(who) <= _MAX_NAME:
        raise Refusal(HTTPStatus.BAD_REQUEST, "'name' is not a name of at most 100 characters")
    if not isinstance(scopes, list) or not scopes or not set(map(str, scopes)) <= set(Scope.values):
        raise Refusal(HTTPStatus.BAD_REQUEST, f"'scopes' is not a list of {', '.join(Scope.values)}")
    if days is not None and (type(days) is not int or not 0 < days <= _MAX_DAYS):
        raise Refusal(HTTPStatus.BAD_REQUEST, f"'days' is not a number from 1 to {_MAX_DAYS}")
