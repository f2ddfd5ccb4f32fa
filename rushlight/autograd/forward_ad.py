"""``torch.autograd.forward_ad``: there is no forward mode."""

from rushlight.base.errors import refused

_WHY = "there is no forward mode; torch.func.jvp gives the same products by two backward passes"
dual_level = refused("torch.autograd.forward_ad.dual_level", _WHY)
make_dual = refused("torch.autograd.forward_ad.make_dual", _WHY)
unpack_dual = refused("torch.autograd.forward_ad.unpack_dual", _WHY)
enter_dual_level = refused("torch.autograd.forward_ad.enter_dual_level", _WHY)
exit_dual_level = refused("torch.autograd.forward_ad.exit_dual_level", _WHY)
