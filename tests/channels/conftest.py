"""The tests of this folder look around at their ends, as those of the floor below do."""

from ..rtc.conftest import nothing_left as nothing_left
