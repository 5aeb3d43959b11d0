"""Says in one sentence what this machine lacks. Written for any Python 3, since an old one must be able to read it."""

import importlib.util
import sys

NEEDED = (3, 11)
if sys.version_info < NEEDED:
    sys.exit(
        "Siaga needs Python %d.%d or newer and this python3 is %d.%d: install a newer one and name it, "
        "for example: make PYTHON=python3.11 test" % (NEEDED + tuple(sys.version_info[:2]))
    )
if importlib.util.find_spec("pip") is None:
    sys.exit("Siaga is set up with pip and this python3 has none: install it (on Debian: apt-get install python3-pip).")
