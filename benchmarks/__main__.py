"""``python -m benchmarks``, which ``make bench`` runs."""

from benchmarks.harness.cli import main

raise SystemExit(main())
