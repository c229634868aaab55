"""The host in which the conformance suite of `app.sdk.testing` runs, and the plugin that brings it to pytest."""
