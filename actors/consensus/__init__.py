"""L2: the consensus actor: asks several models and decides between their answers.

It isolates the rounds in progress and what is known of the members. ``desk`` says who
is asked and with what evidence; ``members`` asks them through the router, each as a
request of its own, so that money, retries and records are the router's business;
``round`` carries one round from its question to its verdict; ``verdict`` decides,
``missed`` says why it cannot; ``writing`` is asking a judge or a chair; ``actor`` is the
shell, ``handle`` what the doors hold: a round is begun and cancelled like any other request.
"""

from actors.consensus.actor import ConsensusActor
from actors.consensus.desk import Desk, Tools
from actors.consensus.handle import ConsensusHandle
from actors.consensus.settings import ConsensusSettings

__all__ = ["ConsensusActor", "ConsensusHandle", "ConsensusSettings", "Desk", "Tools"]
