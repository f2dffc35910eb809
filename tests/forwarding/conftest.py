"""A forward leaves nothing behind either."""

from ..rtc.conftest import nothing_left as nothing_left
