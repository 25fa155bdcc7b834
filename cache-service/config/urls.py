"""The addresses of this service; /livez and /readyz are answered before them."""

from django.contrib import admin
from django.urls import path, re_path

from caches.views import archive, documents, index, narinfo, operation, sessions, uploads

NAME = r"(?P<name>[a-z0-9][a-z0-9-]*)"
UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
HASH = "[0-9abcdfghijklmnpqrsvwxyz]"

urlpatterns = [
    path("", index.page),
    path("admin/", admin.site.urls),
    re_path(rf"^api/rights/{NAME}$", index.Rights.as_view()),
    re_path(rf"^{NAME}/nix-cache-info$", index.Information.as_view()),
    re_path(rf"^{NAME}/(?P<hash_part>{HASH}{{32}})\.narinfo$", narinfo.Narinfo.as_view()),
    re_path(rf"^{NAME}/nar/(?P<file_hash>{HASH}{{52}})\.nar(?P<end>(?:\.[a-z0-9]+)?)$", archive.Archive.as_view()),
    re_path(
        rf"^{NAME}/api/uploads/(?P<file_hash>{HASH}{{52}})\.nar(?P<end>(?:\.[a-z0-9]+)?)$", uploads.Upload.as_view()
    ),
    re_path(rf"^{NAME}/api/checks$", operation.Checks.as_view()),
    re_path(rf"^{NAME}/api/collections$", operation.Collections.as_view()),
    re_path(rf"^{NAME}/api/deletions$", operation.Deletions.as_view()),
    re_path(rf"^{NAME}/api/figures$", operation.Figures.as_view()),
    re_path(rf"^{NAME}/api/pins$", operation.Pins.as_view()),
    re_path(rf"^{NAME}/api/pins/(?P<pin>.+)$", operation.PinView.as_view()),
    re_path(rf"^{NAME}/api/reasons/(?P<hash_part>{HASH}{{32}})$", operation.Reason.as_view()),
    re_path(rf"^{NAME}/api/tokens$", operation.Tokens.as_view()),
    re_path(rf"^{NAME}/api/sessions$", sessions.Sessions.as_view()),
    re_path(rf"^{NAME}/api/sessions/(?P<session>{UUID})$", sessions.Session.as_view()),
    re_path(rf"^{NAME}/(?P<place>{documents.PLACES})$", documents.Document.as_view()),
]
