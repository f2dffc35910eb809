"""The receive buffer of sound."""
