"""Everything that can be asked for over REST, free of any transport."""

from .environments import Environments, Known, load_secret
from .errors import status_of
from .host import Alone, Host, Kernel
from .plans import KeptPlan, Plans
from .request import MAX_BODY, ApiRequest, ApiResponse, Caller, error_response, read_body

__all__ = [
    "MAX_BODY",
    "Alone",
    "ApiRequest",
    "ApiResponse",
    "Caller",
    "Environments",
    "Host",
    "KeptPlan",
    "Kernel",
    "Known",
    "Plans",
    "error_response",
    "load_secret",
    "read_body",
    "status_of",
]
