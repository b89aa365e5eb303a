"""Actions of Spark, watched: how far they are, and what to say when they fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from feast_skew.engines.spark.failures import told_by, was_interrupted
from feast_skew.errors import SkewError
from feast_skew.measuring.progress import Progress

_LOOK_SECONDS = 0.5

T = TypeVar("T")


class Jobs:
    """Runs actions one after another and keeps the seconds that each took, by stage."""

    def __init__(self, session: Any, progress: Progress) -> None:
        self._session = session
        self._progress = progress
        self.seconds: dict[str, float] = {}

    def run(self, stage: str, action: Callable[[], T], kind: str = "other") -> T:
        """Run an action under the name of a stage; its seconds are added to those of a kind.

        Raises
        ------
        SkewError
            Which names the stage, and the share of its tasks that were done.
        """
        watch = _Watch(self._session)
        begun = time.perf_counter()
        with self._progress.stage(f"{stage} on Spark", None, ""):
            watch.start()
            try:
                return action()
            except SkewError:
                raise
            except Exception as error:
                watch.stop()
                if was_interrupted(error):
                    raise KeyboardInterrupt from error
                raise told_by(error, f"{stage} ({watch.share})") from error
            finally:
                watch.stop()
                self.spend(kind, time.perf_counter() - begun)

    def spend(self, kind: str, seconds: float) -> None:
        """Add seconds to those of a kind."""
        self.seconds[kind] = self.seconds.get(kind, 0.0) + seconds


class _Watch(threading.Thread):
    """Looks from time to time how many tasks of the running stages are done; Spark forgets it when a stage fails."""

    def __init__(self, session: Any) -> None:
        super().__init__(daemon=True, name="feast-skew-watch")
        self._session = session
        self._over = threading.Event()
        self._seen: dict[int, tuple[int, int]] = {}

    def run(self) -> None:
        """Look until it is over; without a context, as under Spark Connect, there is nothing to look at."""
        try:
            tracker = self._session.sparkContext.statusTracker()
        except Exception:  # noqa: BLE001  it is said that nothing is known
            return
        while not self._over.wait(_LOOK_SECONDS):
            try:
                for number in tracker.getActiveStageIds():
                    found = tracker.getStageInfo(number)
                    if found is not None:
                        self._seen[number] = (found.numCompletedTasks, found.numTasks)
            except Exception:  # noqa: BLE001  a session that ends while it is looked at
                return

    def stop(self) -> None:
        """Look no more."""
        self._over.set()

    @property
    def share(self) -> str:
        """How far it was when it was last looked at."""
        if not self._seen:
            return "no task done"
        done, of = self._seen[max(self._seen)]
        return f"{done} of {of} tasks done"
