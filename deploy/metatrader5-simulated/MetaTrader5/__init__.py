"""The MetaTrader5 package, simulated: functions and constants of NOVOSKY's simulated terminal.

For programs that say `import MetaTrader5` on a machine without a terminal. Put this folder and the
project's root on PYTHONPATH. What is traded on: `broker/simulator/package.py`.
"""

from broker.simulator.package import Package, constants, functions

__version__ = "5.0.6231"
__author__ = "NOVOSKY (simulated)"

_package = Package()
_names = {name: _package.function(name) for name in functions()}
globals().update(constants() | _names)
__all__ = [*constants(), *_names]
