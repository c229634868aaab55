"""The fair lock: one at a time, first come first served, and nobody waits longer than they said."""

from __future__ import annotations

import threading
import time

from app.core.fair import FairLock

SECONDS = 5.0


def test_first_come_first_served() -> None:
    lock, served = FairLock(), list[int]()
    assert lock.acquire(0)

    def wait(place: int) -> None:
        assert lock.acquire(SECONDS)
        served.append(place)
        lock.release()

    threads = [threading.Thread(target=wait, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
        time.sleep(0.02)
    lock.release()
    for thread in threads:
        thread.join()
    assert served == list(range(8))


def test_one_at_a_time() -> None:
    lock, inside, most = FairLock(), list[int](), list[int]()

    def work() -> None:
        for _ in range(50):
            assert lock.acquire(SECONDS)
            inside.append(1)
            most.append(len(inside))
            time.sleep(0)
            inside.pop()
            lock.release()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (400, 1)


def test_who_gave_up_waiting_is_not_served() -> None:
    lock = FairLock()
    assert lock.acquire(0)
    assert not lock.acquire(0.05)
    lock.release()
    assert lock.acquire(0)
