"""What starts servers and the load generator, and makes tables of what they say."""
