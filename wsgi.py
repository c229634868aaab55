"""What gunicorn serves: ``gunicorn wsgi:app``."""

import sys

from app import served
from app.core.config import ConfigError

# gunicorn's own status for an app that cannot be loaded: it ends with it, where any other starts the worker again.
UNLOADABLE = 4

try:
    app = served()
except ConfigError as error:
    sys.stderr.write(f"stallholder: {error}\n")
    sys.exit(UNLOADABLE)
