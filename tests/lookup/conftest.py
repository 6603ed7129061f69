"""The users of the service's tests."""

from tests.service.conftest import conda_user, configured, service, venv_user

__all__ = ["conda_user", "configured", "service", "venv_user"]
