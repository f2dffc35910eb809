"""``examples/simulated_test.py`` is a module of tests; its tests are run here as they stand."""

from __future__ import annotations

from .programs import program

_tests = program("simulated_test")

test_nothing_is_lost_on_a_bad_line = _tests.test_nothing_is_lost_on_a_bad_line
test_it_goes_on_in_another_network = _tests.test_it_goes_on_in_another_network
test_a_call_outlives_the_server = _tests.test_a_call_outlives_the_server
