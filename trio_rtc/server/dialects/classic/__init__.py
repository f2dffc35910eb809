"""The protocol of libwebrtc's peerconnection example, as the server speaks it."""
