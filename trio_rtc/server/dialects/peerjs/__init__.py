"""PeerJS as the server speaks it."""
