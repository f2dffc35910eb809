"""The asyncio side of the bridge: everything here runs on the loop."""
