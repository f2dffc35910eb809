"""The asyncio side: the only folder that knows aiortc and aioice."""
