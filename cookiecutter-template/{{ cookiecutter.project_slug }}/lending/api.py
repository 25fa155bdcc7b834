"""The API of the catalogue, of assignments, and of the import."""

from datetime import timedelta
from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import SAFE_METHODS, BasePermission, IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response

from lending import catalogue, series, workbook
from lending.models import Assignment, Item, LendingError, Reading

SPANS = 100


class Conflict(APIException):
    """The item is in another state than the request takes for granted."""

    status_code = status.HTTP_409_CONFLICT


class StaffChanges(BasePermission):
    """Everybody who is known may read, staff may change."""

    def has_permission(self, request: Request, _view: Any) -> bool:
        """Tell whether the request is allowed."""
        return bool(request.user.is_authenticated and (request.method in SAFE_METHODS or request.user.is_staff))


class ItemSerializer(serializers.ModelSerializer):
    """A thing of the catalogue."""

    class Meta:
        """All of it."""

        model = Item
        fields = ["id", "code", "name", "description"]


class AssignmentSerializer(serializers.ModelSerializer):
    """Who has an item, and since when."""

    item = serializers.CharField(source="item.code", read_only=True)

    class Meta:
        """The times are ours."""

        model = Assignment
        fields = ["id", "item", "holder", "assigned", "returned"]
        read_only_fields = ["assigned", "returned"]


class ReadingSerializer(serializers.Serializer):
    """What was measured, and when."""

    time = serializers.DateTimeField()
    value = serializers.FloatField()


class AverageSerializer(serializers.Serializer):
    """The average of an hour."""

    start = serializers.DateTimeField()
    average = serializers.FloatField()


class ReportSerializer(serializers.Serializer):
    """What an import did."""

    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    rejected = serializers.ListField(child=serializers.DictField())


class UploadSerializer(serializers.Serializer):
    """A workbook."""

    file = serializers.FileField(max_length=100)


class ItemViewSet(viewsets.ModelViewSet):
    """The catalogue; `assign` and `return` lend an item and take it back."""

    queryset = Item.objects.all()
    serializer_class = ItemSerializer
    permission_classes = [StaffChanges]
    lookup_field = "code"

    def list(self, request: Request, *_args: Any, **_kwargs: Any) -> Response:
        """Return the catalogue, which is read from its own cache."""
        return self.get_paginated_response(self.paginate_queryset(catalogue.read()))

    @extend_schema(request=AssignmentSerializer, responses={201: AssignmentSerializer})
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, code: str) -> Response:
        """Lend an item to a holder; 409 where somebody has it."""
        given = AssignmentSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        return self._change(code, lambda item: item.assign(given.validated_data["holder"]), status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=AssignmentSerializer)
    @action(detail=True, methods=["post"], url_path="return")
    def take_back(self, request: Request, code: str) -> Response:
        """Take an item back; 409 where nobody has it."""
        return self._change(code, Item.take_back, status.HTTP_200_OK)

    @extend_schema(request=ReadingSerializer, responses={201: ReadingSerializer})
    @action(detail=True, methods=["post"])
    def readings(self, request: Request, code: str) -> Response:
        """Take a reading of the sensor in an item; 409 where there is one of that time."""
        given = ReadingSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        item = get_object_or_404(Item, code=code)
        value, time = given.validated_data["value"], given.validated_data["time"]
        if not Reading.objects.get_or_create(item=item, time=time, defaults={"value": value})[1]:
            raise Conflict(f"{code} has a reading of {time.isoformat()}")
        return Response(given.data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=AverageSerializer(many=True))
    @action(detail=True, methods=["get"], pagination_class=None)
    def averages(self, _request: Request, code: str) -> Response:
        """Return the averages of the last hours that have readings, newest first."""
        found = series.average(get_object_or_404(Item, code=code), timedelta(hours=1))
        return Response(AverageSerializer(found[:SPANS], many=True).data)

    @extend_schema(request=UploadSerializer, responses=ReportSerializer)
    @action(detail=False, methods=["post"], url_path="import", url_name="import",
            parser_classes=[MultiPartParser], permission_classes=[IsAdminUser])  # fmt: skip
    def load(self, request: Request) -> Response:
        """Import a workbook with the columns code, name and description; a rejected row rejects all."""
        given = UploadSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            report = workbook.load(given.validated_data["file"])
        except workbook.WorkbookError as error:
            raise ValidationError({"file": [str(error)]}) from error
        if report.rejected:
            raise ValidationError({"rejected": report.rejected})
        return Response(ReportSerializer(report).data)

    def _change(self, code: str, act: Any, success: int) -> Response:
        try:
            assignment = act(get_object_or_404(Item, code=code))
        except LendingError as error:
            raise Conflict(str(error)) from error
        return Response(AssignmentSerializer(assignment).data, status=success)


class AssignmentViewSet(mixins.ListModelMixin, viewsets.GenericViewSet):
    """Assignments, newest first."""

    queryset = Assignment.objects.select_related("item")
    serializer_class = AssignmentSerializer
