"""How sure a sweep's answers are, from its blocks: what decides when to stop, and what a report states.

`scipy.special` is reached through `scipy`, which imports it at its first use: that takes 0.3 s, and most
commands need none of it.
"""
