"""``python -m app.cli`` is ``stallholder``."""

from app.cli import main

main()
