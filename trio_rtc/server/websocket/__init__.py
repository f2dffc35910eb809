"""WebSocket (RFC 6455) as a server speaks it."""
