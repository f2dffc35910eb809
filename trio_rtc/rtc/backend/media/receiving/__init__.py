"""Received media, in time: from the packets to the frames."""
