"""``ferlite serve``: what a run sees, live in a browser, and stills read over HTTP. Needs aiohttp."""
