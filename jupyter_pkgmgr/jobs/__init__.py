"""Long work that goes on whoever watches: queued for each environment, logged, stopped, found again."""

from .errors import JobNotFoundError, TooManyJobsError
from .job import Job, JobFacts, JobKind, JobState, Work
from .log import EventLog, LogEvent, Page
from .manager import JobListener, JobManager, Limits, Recovery
from .store import JobStore

__all__ = [
    "EventLog",
    "Job",
    "JobFacts",
    "JobKind",
    "JobListener",
    "JobManager",
    "JobNotFoundError",
    "JobState",
    "JobStore",
    "Limits",
    "LogEvent",
    "Page",
    "Recovery",
    "TooManyJobsError",
    "Work",
]
