"""The core: what turns a signed request into a stored effect; it knows no connector and nothing that stands above."""
