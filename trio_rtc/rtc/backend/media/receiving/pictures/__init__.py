"""The receive buffer of pictures."""
