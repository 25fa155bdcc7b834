"""Settings of production."""

from .base import *

DEBUG = False
