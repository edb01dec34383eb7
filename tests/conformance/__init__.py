"""The Autobahn test suite against a live server: `make conformance`."""
