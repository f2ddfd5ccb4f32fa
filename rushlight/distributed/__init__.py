"""``torch.distributed``: not available; programs that ask first run on one process."""

from rushlight.base.errors import refused


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def is_torchelastic_launched() -> bool:
    """False."""
    return False


_WHY = "it trains in one process"
init_process_group = refused("torch.distributed.init_process_group", _WHY)
destroy_process_group = refused("torch.distributed.destroy_process_group", _WHY)
get_rank = refused("torch.distributed.get_rank", _WHY)
get_world_size = refused("torch.distributed.get_world_size", _WHY)
barrier = refused("torch.distributed.barrier", _WHY)
all_reduce = refused("torch.distributed.all_reduce", _WHY)
all_gather = refused("torch.distributed.all_gather", _WHY)
broadcast = refused("torch.distributed.broadcast", _WHY)
reduce = refused("torch.distributed.reduce", _WHY)
scatter = refused("torch.distributed.scatter", _WHY)
gather = refused("torch.distributed.gather", _WHY)
send = refused("torch.distributed.send", _WHY)
recv = refused("torch.distributed.recv", _WHY)
