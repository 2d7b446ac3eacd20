"""A lab of virtual Pis: Debian hosts under User-Mode Linux, on a network of their own, on this machine.

The role `virtual_pi` runs it as `python -m virtual_lab COMMAND`. It needs Python alone.
"""

__all__: list[str] = []
