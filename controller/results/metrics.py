"""The knee of latency and throughput: one definition, for plans as for what was measured."""

__all__ = ["power"]


def power(latency_s: float, throughput_per_s: float) -> float:
    """Throughput over latency: Kleinrock's power. The knee is where it is highest.

    Its maximum depends neither on units nor on what else is compared, and always lies on the Pareto set.

    L. Kleinrock, "Power and deterministic rules of thumb for probabilistic problems in computer
    communications", ICC 1979.

    Args:
        latency_s: Of a request alone in the pipeline; above 0.
        throughput_per_s: With enough requests in flight.
    """
    return throughput_per_s / latency_s
