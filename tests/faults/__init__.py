"""Everything fails, by a seeded schedule, and the promises of channels hold all the same."""
