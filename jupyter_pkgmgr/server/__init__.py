"""The Jupyter server extension: REST, jobs, events, kernel attachment, authorization.

Importing this package imports nothing: Jupyter asks for :mod:`.extension`, and what is heavy (the service, the
engines, the catalogs) comes with the first request.
"""
