"""What gunicorn serves: ``gunicorn wsgi:app``."""

import sys

from app import create_app
from app.core.config import ConfigError

try:
    app = create_app()
except ConfigError as error:
    sys.exit(f"stallholder: {error}")
