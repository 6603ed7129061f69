"""Everything that can be asked for over REST, free of any transport."""

from jupyter_pkgmgr.typed import changed_packages

from .api import Api, Waiting
from .environments import Environments, Known, load_secret
from .errors import status_of
from .host import Alone, Host, Kernel
from .parts import Parts
from .plans import KeptPlan, Plans
from .recovery import Recovery
from .request import MAX_BODY, ApiRequest, ApiResponse, Caller, error_response, read_body
from .routes import ROUTES, Route, find_route
from .tunnel import Tunnel

__all__ = [
    "MAX_BODY",
    "ROUTES",
    "Alone",
    "Api",
    "ApiRequest",
    "ApiResponse",
    "Caller",
    "Environments",
    "Host",
    "KeptPlan",
    "Kernel",
    "Known",
    "Parts",
    "Plans",
    "Recovery",
    "Route",
    "Tunnel",
    "Waiting",
    "changed_packages",
    "error_response",
    "find_route",
    "load_secret",
    "read_body",
    "status_of",
]
