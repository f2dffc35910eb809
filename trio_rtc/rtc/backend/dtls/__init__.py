"""DTLS (RFC 6347) and the datagrams that carry it."""
