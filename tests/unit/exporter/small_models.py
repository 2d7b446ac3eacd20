"""Small models for the exporter's tests, given as a user would: file.py:function."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

NOT_CALLABLE = 3


class Residual(nn.Module):
    """Two convolutions, the second with a bypass, and a head: has clean and wide cut points."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.body = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, groups=2), nn.ReLU())
        self.head = nn.Linear(4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        x = x + self.body(x)
        logits: torch.Tensor = self.head(x.mean(dim=(2, 3)))
        return logits


def residual() -> tuple[nn.Module, Any]:
    torch.manual_seed(1)
    return Residual(), torch.randn(1, 3, 8, 8)


class _TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 5), nn.Linear(5, 4)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        early = torch.tanh(self.first(left))
        return early, self.second(early) * right


def two_inputs() -> tuple[nn.Module, Any]:
    """One output is made early, one input is used late: both cross wide cuts."""
    torch.manual_seed(1)
    return _TwoInputs(), (torch.randn(2, 6), torch.randn(2, 4))


class _Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.mix = nn.Embedding(16, 8), nn.Linear(8, 8)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        found = self.mix(self.table(tokens)) * mask.unsqueeze(-1)
        return {"pooled": found.mean(dim=1), "longest": mask.sum(dim=1).to(torch.int64)}


def tokens() -> tuple[nn.Module, Any]:
    """Integer inputs by name, a dict of outputs, one of them of integers."""
    torch.manual_seed(1)
    example = {
        "tokens": torch.randint(16, (2, 5)),
        "mask": torch.tensor([[1.0, 1, 1, 0, 0], [1.0, 1, 1, 1, 1]]),
    }
    return _Tokens(), example


class _FixedBatch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.layer(torch.sin(x).reshape(4, 6))
        return answer


def fixed_batch() -> tuple[nn.Module, Any]:
    torch.manual_seed(1)
    return _FixedBatch(), torch.randn(4, 6)


class _ClassToken(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token, self.layer = nn.Parameter(torch.randn(1, 1, 6)), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.layer(torch.cat([self.token.expand(len(x), -1, -1), x], 1))[:, 0]
        return answer + x.mean(dim=(1, 2))[:, None]


def class_token() -> tuple[nn.Module, Any]:
    """Reads the batch as a number, with which torch.export closes it."""
    torch.manual_seed(1)
    return _ClassToken(), torch.randn(4, 5, 6)


class _NoOperator(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = torch.special.bessel_j0(x)
        return found


def no_operator() -> tuple[nn.Module, Any]:
    return _NoOperator(), torch.randn(2, 3)


class _Constant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)
        nn.init.constant_(self.layer.weight, 1e-12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.layer(x))


def degenerate() -> tuple[nn.Module, Any]:
    """Weights whose answers do not depend on the input."""
    return _Constant(), torch.randn(2, 6)


def with_data() -> tuple[nn.Module, Any, Any, str]:
    torch.manual_seed(1)
    module = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3)).eval()

    def data() -> Iterator[tuple[torch.Tensor, int]]:
        for number in range(20):
            sample = torch.sin(torch.arange(6) * (number + 1.0))
            yield sample, int(module(sample[None]).argmax())  # each label is the model's own answer

    return module, torch.randn(2, 6), data(), "top1"


def scalar_input() -> tuple[nn.Module, Any]:
    return nn.Identity(), torch.tensor(1.0)


def wrong_return() -> str:
    return "a module"


def raises() -> None:
    raise RuntimeError("no weights on this machine")
