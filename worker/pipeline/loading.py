"""Load stages and samples from the store, and keep them while a pipeline uses them."""

from collections.abc import Iterable
from pathlib import Path

from worker.endpoint import Samples
from worker.inference.null_model import check_null
from worker.inference.session_options import Options
from worker.inference.stage import Stage
from worker.store import Store
from worker.wire.errors import RefusedError
from worker.wire.messages import HopSpec, ShardRef

__all__ = ["Loader"]


class Loader:
    """Loads from one store, for one provider and one set-up of ONNX Runtime."""

    def __init__(self, store: Store, provider: str, options: Options) -> None:
        self._store = store
        self._provider = provider
        self._options = options
        self._stages: dict[tuple[ShardRef, int], Stage] = {}
        self._samples: tuple[Path, int, Samples] | None = None

    def keep(self, hops: Iterable[HopSpec]) -> None:
        """Forget all stages but those of these hops: two models at once may not fit in memory."""
        needed = {(hop.shard, hop.threads) for hop in hops}
        self._stages = {key: stage for key, stage in self._stages.items() if key in needed}

    def clear(self) -> None:
        """Forget everything."""
        self._stages.clear()
        self._samples = None

    def stage_of(self, hop: HopSpec) -> Stage:
        """The stage of a hop, loaded on first use.

        Raises:
            WorkerError: it is not in the store, altered, or cannot be loaded.
        """
        key = hop.shard, hop.threads
        stage = self._stages.get(key)
        if stage is None:
            stage = self._stages[key] = self.load(hop.shard, hop.threads)
        return stage

    def load(self, shard: ShardRef, threads: int) -> Stage:
        """Load a stage without keeping it. Raises WorkerError: see `stage_of`."""
        if threads < 1:
            raise RefusedError(f"a stage needs at least one thread, not {threads}")
        graph, weights_folder = self._store.load_shard(shard)
        return Stage(
            graph,
            weights_folder,
            threads=threads,
            label=_label(shard),
            provider=self._provider,
            options=self._options,
        )

    def check_null(self, shard: ShardRef) -> None:
        """Raise RefusedError: the shard computes something, so no time may be planted in its stage."""
        graph, _ = self._store.load_shard(shard)
        check_null(graph, _label(shard))

    def samples_of(self, bundle: str) -> Samples:
        """The samples of a bundle, kept until another bundle is requested.

        Raises:
            WorkerError: they are not in the store, or altered.
        """
        path = self._store.samples_path(bundle)
        changed_ns = path.stat().st_mtime_ns
        if self._samples is None or self._samples[:2] != (path, changed_ns):
            self._samples = (path, changed_ns, Samples.load(path))
        return self._samples[2]

    def load_samples(self, bundle: str) -> Samples:
        """The samples of a bundle, not kept. Raises WorkerError: see `samples_of`."""
        return Samples.load(self._store.samples_path(bundle))


def _label(shard: ShardRef) -> str:
    return f"shard {shard.start}-{shard.stop} ({shard.digest[:12]})"
