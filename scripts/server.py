#!/usr/bin/env python3
"""The signaling server: the same as ``trio-rtc server``."""

import sys

from trio_rtc.cli import main

main(["server", *sys.argv[1:]])
