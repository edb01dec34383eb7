"""Other people's WebSocket clients and frameworks, live against our server."""
