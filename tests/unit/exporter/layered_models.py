"""Models of layers between which a person would cut, given as a user would: file.py:function."""

from collections import OrderedDict
from typing import Any

import torch
from torch import nn


class _Gru(nn.Module):
    """Each layer starts from a state of zeros, as large as the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.GRU(2 if i == 0 else 8, 8, batch_first=True) for i in range(5))
        self.head = nn.Linear(8, 3)

    def forward(self, track: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            track, _ = layer(track)
        answer: torch.Tensor = self.head(track[:, -1])
        return answer


def gru() -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    return _Gru(), torch.randn(2, 6, 2)


class _NormBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(4, 4, 3, padding=1), nn.LayerNorm(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normed: torch.Tensor = self.norm(self.conv(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return normed + x


class _Norms(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*[_NormBlock() for _ in range(4)])
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.head(self.pool(self.blocks(x)).flatten(1))
        return answer


def norms() -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    return _Norms(), torch.randn(2, 4, 8, 8)


class _Decoder(nn.Module):
    """A causal mask, positions, and a class token that is expanded to the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.h = nn.ModuleList(
            nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True, norm_first=True)
            for _ in range(3)
        )
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.embed, self.head = nn.Embedding(11, 16), nn.Linear(16, 11)
        self.mask = nn.Buffer(torch.full((8, 8), float("-inf")).triu(1))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        batch, length = tokens.shape
        x = torch.cat([self.token.expand(batch, -1, -1), self.embed(tokens)], 1)
        x = x + torch.arange(length + 1, device=tokens.device)[None, :, None] / 100
        for layer in self.h:
            x = layer(x, src_mask=self.mask[: length + 1, : length + 1], is_causal=True)
        answer: torch.Tensor = self.head(x[:, -1])
        return answer


def decoder() -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    return _Decoder(), torch.randint(11, (2, 7))


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sum_: torch.Tensor = x + self.fc2(torch.relu(self.fc1(x)))
        return sum_


class _Nested(nn.Module):
    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.body, self.head = layers, nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.head(self.body(x))
        return answer


def numbered() -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    names = [f"encoder_layer_{i}" for i in range(4)]
    return _Nested(nn.Sequential(OrderedDict((name, _Residual()) for name in names))), torch.randn(2, 8)


def named() -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    names = ["first", "second", "third", "fourth"]
    return _Nested(nn.Sequential(OrderedDict((name, _Residual()) for name in names))), torch.randn(2, 8)
