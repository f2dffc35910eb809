"""Wire formats: what travels between peers and servers, for both sides. No I/O."""
