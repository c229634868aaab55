"""Work that nobody waits for, derived from committed state: whoever finds a row that wants something does it."""
