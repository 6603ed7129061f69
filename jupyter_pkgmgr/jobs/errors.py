"""What can go wrong with jobs themselves."""

from __future__ import annotations

from jupyter_pkgmgr.model.errors import PkgError

__all__ = ["JobNotFoundError", "TooManyJobsError"]


class TooManyJobsError(PkgError):
    """More jobs are waiting than are good for anybody."""

    default_reference = "too-many-jobs"


class JobNotFoundError(PkgError):
    """There is no job of this id, or not any more."""

    default_reference = "job-not-found"
