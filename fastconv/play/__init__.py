"""A page in the browser to play with: draw a picture, watch a network look at it, train it.

    networks   small networks to choose from
    session    one network with its data: predicts, shows its insides, trains step by step
    server     the page and the session over HTTP, for this machine alone
    page/      HTML, style and script

The page sends a picture of 8-bit pixels after every stroke and gets the output of every layer. To
train, it asks for a few steps at a time until the user stops it, so that the server runs nothing of
its own accord. `fastconv play` is the command.
"""

from fastconv.play.networks import NETWORKS, small_networks
from fastconv.play.server import Server
from fastconv.play.session import Data, Session

__all__ = ["NETWORKS", "Data", "Server", "Session", "small_networks"]
