"""WebRTC for Trio: data channels, media and signaling as structured concurrency."""
