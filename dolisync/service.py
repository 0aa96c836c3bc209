"""The daemon on one screen: what runs when, how it stops, and what it tells its supervisor.

One worker does everything, one thing after the other: turns of the sources, the nightly sweep and
reconcile. The supervisor hears of every completed piece of work, so a hung one is noticed; Dolibarr
being down is reported and is no reason to be killed.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from queue import SimpleQueue
from zoneinfo import ZoneInfo

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from dolisync.errors import DolisyncError, StopRequested, UserError
from dolisync.ports import Supervisor

log = structlog.get_logger()

# While a source does not answer, look less often, up to this.
SLOWEST_S = 60.0
# An idle daemon is heard of this often, through its one worker: a hung one stays silent.
HEARTBEAT_S = 30
# A job that took longer than its pace goes on this soon after, not only at its next whole turn.
TICK_S = 0.25
# A late job is run, not skipped; several late runs are one; a job never overlaps itself.
JOB_DEFAULTS = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}


@dataclass(frozen=True, slots=True)
class Repeated:
    """A job that runs again and again; it returns a line for the status, empty when quiet."""

    name: str
    interval_s: float
    work: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Daily:
    """A job of the night, at HH:MM in a time zone."""

    name: str
    at: str
    zone: ZoneInfo
    work: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Work:
    """All jobs of a configuration, and how to let go of what they hold."""

    repeated: Sequence[Repeated]
    daily: Sequence[Daily]
    close: Callable[[], None]


@dataclass(slots=True)
class Service:
    """Run jobs until told to stop. ``build`` makes them from the configuration, after checking it.

    ``build`` is given the pulse that jobs must call between two pieces of work.
    """

    build: Callable[[Callable[[], None]], Work]
    supervisor: Supervisor
    now: Callable[[], datetime]
    _stop: threading.Event = field(default_factory=threading.Event)
    # A signal may interrupt the wait for signals itself: this queue can take it, an Event cannot.
    _signals: SimpleQueue[int] = field(default_factory=SimpleQueue)
    _reload: bool = False
    _failures: dict[str, int] = field(default_factory=dict)
    _resting_until: dict[str, float] = field(default_factory=dict)
    _due_at: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; SIGHUP reads the configuration again."""
        work = self.build(self.pulse)
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_reload)
        scheduler = self._start(work)
        self.supervisor.ready()
        names = [*(job.name for job in work.repeated), *(job.name for job in work.daily)]
        log.info("dolisync runs", jobs=", ".join(names))
        while not self._stop.is_set():
            self._signals.get()
            if self._reload and not self._stop.is_set():
                work, scheduler = self._changed(work, scheduler)
        self.supervisor.stopping()
        scheduler.shutdown(wait=True)
        work.close()
        log.info("dolisync stopped")

    def pulse(self) -> None:
        """Tell the supervisor that work was done. Raises ``StopRequested`` when it is to end."""
        self.supervisor.alive()
        if self._stop.is_set():
            raise StopRequested

    def _on_stop(self, number: int, _frame: object) -> None:
        self._stop.set()
        self._signals.put(number)

    def _on_reload(self, number: int, _frame: object) -> None:
        self._reload = True
        self._signals.put(number)

    def _changed(
        self, work: Work, scheduler: BackgroundScheduler
    ) -> tuple[Work, BackgroundScheduler]:
        """Take a new configuration if it holds; keep the old one otherwise."""
        self._reload = False
        self.supervisor.reloading()
        try:
            changed = self.build(self.pulse)
        except DolisyncError as error:
            log.error("configuration not taken", reason=str(error), remedy=_remedy(error))
            self.supervisor.ready()
            return work, scheduler
        scheduler.shutdown(wait=True)
        work.close()
        started = self._start(changed)
        self.supervisor.ready()
        log.info("configuration taken")
        return changed, started

    def _start(self, work: Work) -> BackgroundScheduler:
        # A turn that takes longer than its interval is no news; errors are logged by _guarded.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(1)}, job_defaults=JOB_DEFAULTS, timezone="UTC"
        )
        for job in work.repeated:
            scheduler.add_job(
                self._repeat,
                "interval",
                seconds=_tick_s(job),
                next_run_time=self.now(),
                args=[job],
                id=job.name,
            )
        for night in work.daily:
            hour, minute = night.at.split(":")
            scheduler.add_job(
                self._guarded,
                "cron",
                hour=hour,
                minute=minute,
                timezone=night.zone,
                args=[night.name, night.work],
                id=night.name,
            )
        scheduler.add_job(self.supervisor.alive, "interval", seconds=HEARTBEAT_S, id="heartbeat")
        scheduler.start()
        return scheduler

    def _repeat(self, job: Repeated) -> None:
        """Run a job, unless it failed just now: then it rests, longer with each failure.

        The pace is kept here. To ask the scheduler for another one would be to wait for a scheduler
        that, when it is being shut down, waits for this job.
        """
        now = time.monotonic()
        if now < max(self._resting_until.get(job.name, 0.0), self._due_at.get(job.name, 0.0)):
            return
        # A tick may come a little early.
        self._due_at[job.name] = now + job.interval_s - _tick_s(job) / 2
        self._guarded(job.name, job.work)
        failures = self._failures.get(job.name, 0)
        if failures:
            rest_s = min(job.interval_s * 2 ** min(failures, 10), max(SLOWEST_S, job.interval_s))
            self._resting_until[job.name] = time.monotonic() + rest_s

    def _guarded(self, name: str, work: Callable[[], str]) -> None:
        """Run a job; an error is logged once when it begins and once when it ends."""
        try:
            text = work()
        except StopRequested:
            return
        except Exception as error:
            self._failed(name, error)
        else:
            if self._failures.pop(name, 0):
                log.info("works again", job=name)
            if text:
                log.info("done", job=name, result=text)
            self.supervisor.status(f"{name} {self.now():%H:%M:%S} UTC: {text or 'nothing new'}")
        # A failed turn whose error was handled is a completed piece of work.
        self.supervisor.alive()

    def _failed(self, name: str, error: Exception) -> None:
        self._failures[name] = self._failures.get(name, 0) + 1
        reason = str(error) if isinstance(error, DolisyncError) else repr(error)
        self.supervisor.status(f"{name} failed {self._failures[name]} times: {reason}")
        if self._failures[name] == 1:
            unexpected = not isinstance(error, DolisyncError)
            log.error(
                "job failed", job=name, reason=reason, remedy=_remedy(error), exc_info=unexpected
            )


def _tick_s(job: Repeated) -> float:
    return min(job.interval_s, TICK_S)


def _remedy(error: Exception) -> str:
    return error.remedy if isinstance(error, UserError) else ""
