"""What is installed, which tool owns each file, what is shadowed or clobbered."""
