"""How sure a sweep's answers are, from its blocks: what decides when to stop, and what a report states.

Modules of scipy are reached through `scipy`, which imports each at its first use: `special` takes 0.3 s and
`stats` one, and most commands need neither.
"""
