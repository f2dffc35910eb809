"""``python -m trio_rtc``: the same as the ``trio-rtc`` command."""

from .cli import main

main()
