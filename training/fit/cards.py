"""Several processes of one training, a card each (torchrun): which is the first, and what the others find made."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


def is_first() -> bool:
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def first_alone(world_size: int) -> Iterator[None]:
    """The first process goes through the block alone; then the others do, and find what it has made."""
    if world_size == 1:
        yield
        return
    import torch
    import torch.distributed as dist

    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    if not dist.is_initialized():
        dist.init_process_group("nccl" if gpu else "gloo")
    if not is_first():
        dist.barrier()
    yield
    if is_first():
        dist.barrier()
