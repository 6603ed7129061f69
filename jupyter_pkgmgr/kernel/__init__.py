"""What runs inside a kernel. Standard library and IPython only, Python 3.8 and later."""
