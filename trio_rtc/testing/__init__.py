"""What programs test their calls with."""

from .memory_hub import MemoryHub as MemoryHub
from .memory_hub import describe as describe
