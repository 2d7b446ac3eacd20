"""Print device profiles as tables."""

from rich.console import Console

from controller.console import plain_table
from controller.profiling.profile import Profile
from controller.profiling.segments import segments
from exporter.bundle import Bundle

__all__ = ["show_profile"]


def show_profile(console: Console, profile: Profile, bundle: Bundle) -> None:
    """Print every segment's cost on every device, and the links."""
    names = list(profile.devices)
    by_device = [segments(bundle, profile.cuts, d, profile.batch) for d in profile.devices.values()]
    table = plain_table(
        f"{profile.model}, up to", "nodes", *(f"{name} ms" for name in names), "Mmult-adds", "params",
        "crossing kB", "peak kB",
    )  # fmt: skip
    for rows in zip(*by_device, strict=True):
        row = rows[0]
        table.add_row(
            row.label,
            f"{row.start}-{row.stop}",
            *(f"{each.seconds * 1e3:.3f}" for each in rows),
            f"{row.multiply_adds / 1e6:.2f}",
            f"{row.parameters}",
            f"{row.activation_bytes / 1e3:.1f}",
            f"{row.peak_bytes / 1e3:.1f}",
        )
    console.print(table)
    _show_devices(console, profile)


def _show_devices(console: Console, profile: Profile) -> None:
    table = plain_table("device", "whole ms", "spread", "after waiting", "always busy", "slowdown", "idle MB")
    for name, device in profile.devices.items():
        idle_penalty = max((point.factor for point in device.idle_penalty), default=1.0)
        table.add_row(
            name,
            f"{device.prefix_s[-1] * 1e3:.2f}",
            f"+-{device.spread:.0%}",
            f"x {idle_penalty:.2f}",
            f"x {device.as_follower.factor:.2f}",
            f"{device.settings.get('slowdown')}",
            f"{device.idle_bytes / 1e6:.0f}",
        )
    console.print(table)
    beyond = {(pair.source, pair.follower): pair for pair in profile.pairs}
    links = plain_table("link", "round trip ms", "Mbit/s", "message ms", "and per MB")
    for link in profile.links:
        pair = beyond.get((link.sender, link.receiver))
        links.add_row(
            f"{link.sender} -> {link.receiver}",
            f"{link.round_trip_s * 1e3:.3f}",
            f"{link.rate_mbit:.0f}",
            f"{min(pair.fixed_s) * 1e3:.3f} to {max(pair.fixed_s) * 1e3:.3f}"
            if pair and pair.fixed_s
            else "-",
            f"{pair.byte_s * 1e9:.3f}" if pair else "-",
        )
    console.print(links)
