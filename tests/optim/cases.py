"""Training runs, learning rate schedules and mistakes that PyTorch and rushlight must agree on."""

import warnings

STEPS = 20

OPTIMIZERS = {
    "sgd": ("SGD", {"lr": 0.1}),
    "sgd_momentum": ("SGD", {"lr": 0.05, "momentum": 0.9}),
    "sgd_nesterov": ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "sgd_dampening": ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.2}),
    "sgd_maximize": ("SGD", {"lr": 0.01, "maximize": True, "weight_decay": 0.1}),
    "adam": ("Adam", {"lr": 0.05}),
    "adam_decay": ("Adam", {"lr": 0.05, "weight_decay": 0.1, "betas": (0.8, 0.95)}),
    "adam_amsgrad": ("Adam", {"lr": 0.05, "amsgrad": True, "maximize": True}),
    "adamw": ("AdamW", {"lr": 0.05}),
    "adamw_amsgrad": ("AdamW", {"lr": 0.05, "amsgrad": True, "weight_decay": 0.2}),
    "rmsprop": ("RMSprop", {"lr": 0.01}),
    "rmsprop_centered": ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.5}),
    "rmsprop_decay": ("RMSprop", {"lr": 0.01, "weight_decay": 0.1, "alpha": 0.9}),
    "adagrad": ("Adagrad", {"lr": 0.1, "lr_decay": 0.01}),
    "adagrad_decay": ("Adagrad", {"weight_decay": 0.1, "initial_accumulator_value": 0.1}),
    "adadelta": ("Adadelta", {"lr": 1.0, "weight_decay": 0.01}),
    "adamax": ("Adamax", {"lr": 0.05, "weight_decay": 0.01}),
    "nadam": ("NAdam", {"lr": 0.05, "weight_decay": 0.01}),
    "nadam_decoupled": ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    "radam": ("RAdam", {"lr": 0.05}),
    "radam_decoupled": ("RAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    "asgd": ("ASGD", {"lr": 0.05, "t0": 5, "weight_decay": 0.01}),
    "rprop": ("Rprop", {"lr": 0.01}),
    "rprop_etas": ("Rprop", {"etas": (0.3, 1.5), "step_sizes": (1e-4, 0.1), "maximize": True}),
    "adafactor": ("Adafactor", {"lr": 0.05}),
    "adafactor_decay": ("Adafactor", {"weight_decay": 0.1, "d": 1.5, "eps": (1e-6, 1e-2)}),
    "lbfgs": ("LBFGS", {"lr": 0.5, "max_iter": 4}),
    "lbfgs_wolfe": ("LBFGS", {"max_iter": 5, "history_size": 3, "line_search_fn": "strong_wolfe"}),
    "muon": ("Muon", {"lr": 0.02}),
    "muon_rms": ("Muon", {"nesterov": False, "adjust_lr_fn": "match_rms_adamw"}),
}  # fmt: skip


def parameters(torch, matrices=False):
    """Three parameters with fixed values."""
    weight = torch.arange(12.0).reshape(3, 4).mul(0.7).sin()
    bias = torch.arange(3.0).mul(1.3).cos()
    other = torch.arange(8.0).reshape(2, 4).mul(0.3).cos()
    return [torch.nn.Parameter(p) for p in ((weight, other) if matrices else (weight, bias, other))]


def loss_of(torch, params, step):
    """A loss that is not quadratic, and changes from step to step."""
    total = 0.0
    for i, p in enumerate(params):
        target = torch.arange(float(p.numel())).reshape(p.shape).mul(0.2 + 0.1 * i).sin()
        total = total + ((p - target) ** 2).mean() + 0.1 * (p * (1 + 0.05 * step)).cos().sum()
    return total


def run_optimizer(torch, name, options):
    """The parameters after some steps, and the losses on the way."""
    params = parameters(torch, name == "Muon")
    optimizer = getattr(torch.optim, name)(params, **options)
    losses = []
    for step in range(STEPS if name != "LBFGS" else 4):

        def closure(step=step):
            optimizer.zero_grad()
            loss = loss_of(torch, params, step if name != "LBFGS" else 0)
            loss.backward()
            return loss

        if name == "LBFGS":
            losses.append(float(optimizer.step(closure)))
        else:
            losses.append(closure().item())
            optimizer.step()
    state = optimizer.state_dict()
    return {
        "losses": losses,
        "params": [p.detach().tolist() for p in params],
        "state_keys": [sorted(s) for s in state["state"].values()],
        "group_keys": sorted(state["param_groups"][0]),
        "repr": repr(optimizer),
    }


def _sgd(torch, momentum=0.9):
    params = parameters(torch)
    groups = [{"params": params[:1]}, {"params": params[1:], "lr": 0.01}]
    return torch.optim.SGD(groups, lr=0.1, momentum=momentum)


SCHEDULERS = {
    "LambdaLR": lambda s, o: s.LambdaLR(o, lambda e: 0.9**e),
    "LambdaLR_two": lambda s, o: s.LambdaLR(o, [lambda e: 0.9**e, lambda e: 1 / (e + 1)]),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, lambda e: 0.95),
    "StepLR": lambda s, o: s.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [2, 5, 5, 9], 0.3),
    "ConstantLR": lambda s, o: s.ConstantLR(o, 0.5, 4),
    "LinearLR": lambda s, o: s.LinearLR(o, 0.2, 0.9, 6),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.8),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, 8, 2.0),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 5, 0.001),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2, 0.001),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, total_iters=3), s.ExponentialLR(o, 0.9)], [4]
    ),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler(
        [s.ConstantLR(o, 0.1, 3), s.ExponentialLR(o, 0.9)], o
    ),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 3, 5),
    "CyclicLR_triangular2": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 3, mode="triangular2"),
    "CyclicLR_exp_range": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 3, mode="exp_range", gamma=0.9),
    "CyclicLR_scale_fn": lambda s, o: s.CyclicLR(o, 0.01, [0.1, 0.2], 3, scale_fn=lambda x: 0.5**x),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, 0.5, total_steps=18),
    "OneCycleLR_linear": lambda s, o: s.OneCycleLR(
        o, [0.5, 0.3], epochs=3, steps_per_epoch=6, anneal_strategy="linear", three_phase=True
    ),
    "ReduceLROnPlateau": lambda s, o: s.ReduceLROnPlateau(o, "min", 0.5, 1, cooldown=1),
    "ReduceLROnPlateau_max": lambda s, o: s.ReduceLROnPlateau(
        o, "max", 0.5, 1, threshold_mode="abs", min_lr=[0.02, 0.002]
    ),
    "SWALR": lambda s, o: s.SWALR(o, 0.05, 4),
    "SWALR_linear": lambda s, o: s.SWALR(o, [0.05, 0.2], 4, "linear"),
}
FIGURES = (1.0, 0.9, 0.9, 0.9, 0.8, 0.8, 0.8, 0.8, 0.9, 1.0, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7)


def make_scheduler(torch, name, optimizer):
    """The scheduler of a case."""
    module = torch.optim.swa_utils if name.startswith("SWALR") else torch.optim.lr_scheduler
    return SCHEDULERS[name](module, optimizer)


def run_scheduler(torch, name):
    """The learning rates (and momenta) of both groups, step by step."""
    optimizer = _sgd(torch)
    scheduler = make_scheduler(torch, name, optimizer)
    curve = []
    for figure in FIGURES:
        curve.append([[g["lr"], g["momentum"]] for g in optimizer.param_groups])
        optimizer.step()
        scheduler.step(*((figure,) if "Plateau" in name else ()))
    keys = sorted(scheduler.state_dict())
    return {"curve": curve, "last_lr": scheduler.get_last_lr(), "state_keys": keys}


def _group(torch):
    optimizer = _sgd(torch)
    optimizer.add_param_group({"params": optimizer.param_groups[0]["params"]})


def _load(torch, change):
    optimizer = _sgd(torch)
    state = optimizer.state_dict()
    change(state["param_groups"])
    optimizer.load_state_dict(state)


def _dense(torch):
    params = parameters(torch)
    loss_of(torch, params, 0).backward()
    torch.optim.SparseAdam(params).step()


ERRORS = {
    "empty": lambda t: t.optim.SGD([]),
    "tensor": lambda t: t.optim.SGD(t.ones(2)),
    "number": lambda t: t.optim.SGD([1.0]),
    "non_leaf": lambda t: t.optim.SGD([t.ones(2, requires_grad=True) * 2]),
    "set": lambda t: t.optim.SGD([{"params": {t.ones(2)}}]),
    "names": lambda t: t.optim.SGD([("a", t.ones(2)), t.ones(2)]),
    "twice": _group,
    "lr": lambda t: t.optim.SGD(parameters(t), lr=-1),
    "momentum": lambda t: t.optim.SGD(parameters(t), momentum=-0.5),
    "nesterov": lambda t: t.optim.SGD(parameters(t), nesterov=True),
    "adam_lr": lambda t: t.optim.Adam(parameters(t), lr=-1.0),
    "adam_eps": lambda t: t.optim.Adam(parameters(t), eps=-1.0),
    "adam_beta": lambda t: t.optim.Adam(parameters(t), betas=(0.9, 1.0)),
    "adam_int_beta": lambda t: t.optim.Adam(parameters(t), betas=(0, 0.9)),
    "adam_decay": lambda t: t.optim.AdamW(parameters(t), weight_decay=-1),
    "rmsprop": lambda t: t.optim.RMSprop(parameters(t), alpha=-1),
    "adadelta": lambda t: t.optim.Adadelta(parameters(t), rho=2),
    "rprop": lambda t: t.optim.Rprop(parameters(t), etas=(2, 3)),
    "adafactor": lambda t: t.optim.Adafactor(parameters(t), d=0.5),
    "muon": lambda t: t.optim.Muon(parameters(t)),
    "lbfgs": lambda t: t.optim.LBFGS([{"params": p} for p in parameters(t)]),
    "sparse": _dense,
    "groups": lambda t: _load(t, lambda groups: groups.pop()),
    "sizes": lambda t: _load(t, lambda groups: groups[0]["params"].append(7)),
    "not_optimizer": lambda t: t.optim.lr_scheduler.StepLR(3, 1),
    "initial_lr": lambda t: t.optim.lr_scheduler.StepLR(_sgd(t), 1, last_epoch=3),
    "lambdas": lambda t: t.optim.lr_scheduler.LambdaLR(_sgd(t), [len]),
    "constant": lambda t: t.optim.lr_scheduler.ConstantLR(_sgd(t), 2.0),
    "total_steps": lambda t: t.optim.lr_scheduler.OneCycleLR(_sgd(t), 0.1),
    "milestones": lambda t: t.optim.lr_scheduler.SequentialLR(
        o := _sgd(t), [t.optim.lr_scheduler.StepLR(o, 1)], [1]
    ),
    "plateau_factor": lambda t: t.optim.lr_scheduler.ReduceLROnPlateau(_sgd(t), factor=1.0),
    "plateau_mode": lambda t: t.optim.lr_scheduler.ReduceLROnPlateau(_sgd(t), "best"),
    "restarts": lambda t: t.optim.lr_scheduler.CosineAnnealingWarmRestarts(_sgd(t), 0),
}


def error_of(torch, name):
    """Type and text of the error that a mistake raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ERRORS[name](torch)
        except Exception as error:
            return [type(error).__name__, str(error)]
    return None
