"""A terminal at which somebody types while lines come in."""
