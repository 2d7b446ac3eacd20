#!/usr/bin/env python3
"""Lists the devices of a lab on this machine: as many as it has, or the three that it gets by default.

Ansible runs this. What a device is like (its slowdown, for example) is in host_vars/ and group_vars/.
"""

import json
from pathlib import Path

# inventory/namespaces has a link to this file: the folder is the lab's name.
INVENTORY = Path(__file__).absolute().parent
LAB = INVENTORY.parents[1].resolve() / ".edgecut" / INVENTORY.name
DEFAULT_NUMBER = 3


def main() -> None:
    """Print an inventory: the group `devices` in the order of the chain, and the folder of the lab."""
    try:
        number = int((LAB / "number_of_pis").read_text(encoding="ascii"))
    except FileNotFoundError:
        number = DEFAULT_NUMBER
    pis = {f"pi{i}": {"ansible_host": f"10.83.0.{10 + i}"} for i in range(1, number + 1)}
    inventory = {
        "_meta": {"hostvars": pis},
        "all": {"vars": {"virtual_lab": str(LAB)}},
        "devices": {"hosts": list(pis)},
    }
    print(json.dumps(inventory))


if __name__ == "__main__":
    main()
