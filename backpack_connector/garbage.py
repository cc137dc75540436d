"""Spare a running bot the long pauses of Python's garbage collector, where its user wants that.

A full collection looks at every container of the process, and nothing else runs meanwhile. With Hummingbot loaded there
are some 400,000, and nearly all stay as long as the process. Freezing puts them aside: a collection then looks only at
what was made later. Memory is freed as before when nothing refers to an object any more; only circles of frozen
objects that are dropped later stay. It counts for the whole process, so it is a switch (docs/settings.md).
"""

import gc
import logging


def set_aside(logger: logging.Logger) -> None:
    """Collect what is garbage now, once with a pause, and leave everything else out of later collections."""
    gc.collect()
    gc.freeze()
    logger.info(f"Garbage collections leave {gc.get_freeze_count():,} objects of this process out from now on.")
