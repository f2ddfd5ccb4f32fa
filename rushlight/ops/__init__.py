"""All operations, one block each, in files by family."""
