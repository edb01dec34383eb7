"""``python -m antiphon``: the same as the command ``antiphon``."""

import sys

from antiphon.cli import main

sys.exit(main())
