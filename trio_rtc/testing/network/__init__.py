"""A network of simulated hosts, links and routers."""
