#!/usr/bin/env python3
"""The client: the same as ``trio-rtc client``."""

import sys

from trio_rtc.cli import main

main(["client", *sys.argv[1:]])
