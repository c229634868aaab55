"""The scaffold: makes a connector's package of its own out of the template."""
