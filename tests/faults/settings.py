"""The chat's settings for servers under fault: hooks are in, the channel layer may be unreliable.

FAULTS_LAYER has the layer's faults, as "drop=0.1,double=0.1,late=0.2,seed=7"; FAULTS_BREAK names a
part of the server to break on purpose (see breaks.py). FAULTS_CLOCKS is how many seconds the clock
of each process, by its number in FAULTS_PROCESS, is ahead of that of the one before.
"""

from core.settings import *  # noqa: F403
from core.settings import CHANNEL_LAYERS, INSTALLED_APPS, env

FAULTS_BREAK = env.str("FAULTS_BREAK", default="")
FAULTS_LAYER = env.str("FAULTS_LAYER", default="")
FAULTS_AHEAD = env.int("FAULTS_CLOCKS", default=0) * env.int("FAULTS_PROCESS", default=0)

INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults.apps.FaultsConfig"]
if FAULTS_LAYER:
    CHANNEL_LAYERS["chat"]["BACKEND"] = "tests.faults.layer.UnreliableLayer"
