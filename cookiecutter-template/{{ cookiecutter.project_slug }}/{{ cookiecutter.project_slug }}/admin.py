"""What staff can edit."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from {{ cookiecutter.project_slug }}.models import Entry, User

admin.site.register(User, UserAdmin)
admin.site.register(Entry)
