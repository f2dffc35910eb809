"""Bridge from Trio to the asyncio loop that aiortc needs, and back."""
