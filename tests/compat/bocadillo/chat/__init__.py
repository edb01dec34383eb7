"""The chat room whose page shows its template only: the application script, and a template that is safe."""
