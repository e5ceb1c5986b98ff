"""Signals and time limits end work between two steps, never within one."""

import os
import signal
import threading
import time

import pytest

from bundle.interruption import (
    InterruptedRunError,
    TimeIsUpError,
    ending_at_signals,
    time_limit,
    unbroken,
)


def kill_me(number):
    os.kill(os.getpid(), number)
    time.sleep(0.01)  # the handler runs between two steps of the interpreter


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_work_with_the_status_that_shells_know(number, code):
    before = signal.getsignal(number)
    with pytest.raises(InterruptedRunError) as caught, ending_at_signals():
        kill_me(number)
    assert caught.value.exit_code == code
    assert str(caught.value) == signal.Signals(number).name
    assert signal.getsignal(number) is before


def test_a_step_that_must_not_be_broken_is_finished_first():
    done = []

    def work():
        with unbroken():
            with unbroken():
                kill_me(signal.SIGTERM)
            done.append("inner")
        done.append("the signal is raised where the outer step ends")

    with pytest.raises(InterruptedRunError), ending_at_signals():
        work()
    assert done == ["inner"]


def test_what_the_program_itself_does_at_a_signal_is_left_alone():
    seen = []
    before = signal.signal(signal.SIGTERM, lambda *_: seen.append("mine"))
    try:
        with ending_at_signals():
            kill_me(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == ["mine"]


def test_a_limit_ends_work_that_takes_longer_and_no_other():
    with time_limit(30):
        pass
    with pytest.raises(TimeIsUpError), time_limit(0.05):
        time.sleep(5)
    with time_limit(None):
        pass
    time.sleep(0.06)  # a limit that was met does not come later


def test_who_asks_to_end_means_it_more_than_a_limit():
    def work():
        with time_limit(0.02), unbroken():
            kill_me(signal.SIGTERM)
            time.sleep(0.05)

    with pytest.raises(InterruptedRunError), ending_at_signals():
        work()


def test_in_another_thread_nothing_is_limited_and_nothing_breaks():
    seen = []

    def work():
        with ending_at_signals(), time_limit(0.01), unbroken():
            time.sleep(0.05)
            seen.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == ["done"]
