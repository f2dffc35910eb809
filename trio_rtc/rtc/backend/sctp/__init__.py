"""SCTP (RFC 9260) and the data channels over it."""
