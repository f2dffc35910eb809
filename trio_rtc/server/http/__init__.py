"""HTTP/1.1 as a server speaks it, from the listening socket to the route."""
