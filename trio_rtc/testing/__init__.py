"""Testing: what programs test their calls with."""

from .capture import Capture as Capture
from .connected_pair import connected_pair as connected_pair
from .leaving import LeftSimulation as LeftSimulation
from .memory_hub import HeldMessages as HeldMessages
from .memory_hub import MemoryHub as MemoryHub
from .memory_hub import describe as describe
from .network.host import Host as Host
from .network.host import HostCrashed as HostCrashed
from .network.mischances import Fault as Fault
from .network.nat import Nat as Nat
from .network.network import Network as Network
from .network.network_link import Link as Link
from .network.turn_server import TurnServer as TurnServer
from .record import Record as Record
from .simulated_server import SimulatedServer as SimulatedServer
from .simulated_server import start_signaling_server as start_signaling_server
from .simulating import SimulationFailed as SimulationFailed
from .simulating import simulate as simulate
from .stuck import SimulationStuck as SimulationStuck
from .transcript import Transcript as Transcript
from .transcript import TranscriptDiffers as TranscriptDiffers
from .transcript import record_transcript as record_transcript
