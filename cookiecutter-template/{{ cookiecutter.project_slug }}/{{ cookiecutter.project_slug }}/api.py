"""The API of entries."""

from rest_framework import mixins, serializers, viewsets

from {{ cookiecutter.project_slug }}.models import Entry


class EntrySerializer(serializers.ModelSerializer):
    """A line of text with the time it was written."""

    class Meta:
        """The time is ours."""

        model = Entry
        fields = ["id", "text", "written"]
        read_only_fields = ["written"]


class EntryViewSet(mixins.CreateModelMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """Entries, newest first."""

    queryset = Entry.objects.all()
    serializer_class = EntrySerializer
