"""TCP and Unix sockets over a call: `forward_to` and `serve_forward`."""

from .sockets import forward_to as forward_to
from .sockets import serve_forward as serve_forward
