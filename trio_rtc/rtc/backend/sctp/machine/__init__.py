"""SCTP (RFC 9260) data transfer: packets and the time in, packets out. Without I/O.

`data_sender` is the one half, `received` the other. Nothing here knows of aiortc, a loop or a
clock. Inside, a TSN is an int that never wraps: only its low 32 bits travel. Times are in seconds.
"""
