"""Real proxies between clients and a server, which answer in its place now and then."""
