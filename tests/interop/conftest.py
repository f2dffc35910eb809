"""The browsers of the tests with other stacks."""

from __future__ import annotations

from ..browser.conftest import chromium as chromium
from ..browser.conftest import firefox as firefox
