"""The shapes that are measured: the published one, and a tiny one that runs anywhere."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.models.base import ModelSpec
from engine.models.diffusion_gemma import DiffusionGemmaConfig
from engine.models.gemma_layers import AttentionShape


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    config: DiffusionGemmaConfig
    contexts: tuple[int, ...]
    """Tokens of prompt."""
    batches: tuple[int, ...]
    """Variants in one step."""
    canvas: int
    near: int
    """The one of `contexts` that a warm key behind the longest is compared with."""
    usual: int
    """The one of `contexts` at which batches, whole canvases and transformers are measured."""
    canvases: tuple[int, ...]
    """Smaller canvases, of which a step is measured."""
    compared: DiffusionGemmaConfig
    """The shape whose step transformers makes, too."""

    def short(self) -> Size:
        """Each figure once that a bar is made of; transformers with one layer of the full kind and
        those before it, since compiling takes minutes for all."""
        kinds = self.compared.kinds[: self.compared.kinds.index("full") + 1]
        return replace(
            self,
            contexts=tuple(sorted({self.near, self.usual, max(self.contexts)})),
            batches=(1, max(self.batches)),
            compared=replace(self.compared, kinds=kinds),
        )


KEY_TOKENS, KEY_SLOTS = 2, 32
"""A warm keystroke: so many new tokens of prompt, then one step over so many slots."""

PUBLISHED = DiffusionGemmaConfig(
    kinds=("sliding", "sliding", "sliding", "sliding", "sliding", "full") * 5,
    sliding=AttentionShape(kv_heads=8, head_dim=256, rotary_base=1e4, window=1024),
    full=AttentionShape(2, 512, rotary_base=1e6, rotary_share=0.25, keys_are_values=True),
    width=2816,
    heads=16,
    inner=2112,
    experts=128,
    experts_chosen=8,
    expert_inner=704,
    norm_epsilon=1e-6,
    softcap=30.0,
    # Room for the longest prompt and a canvas behind it.
    spec=ModelSpec("diffusion_gemma", "uniform", "any", False, 262_144, 8192, (1,)),
)
"""google/diffusiongemma-26B-A4B-it, after its `config.json`."""

TINY = DiffusionGemmaConfig(
    kinds=("sliding", "full"),
    sliding=AttentionShape(kv_heads=2, head_dim=16, rotary_base=1e4, window=32),
    full=AttentionShape(1, 32, rotary_base=1e6, rotary_share=0.25, keys_are_values=True),
    width=64,
    heads=4,
    inner=64,
    experts=8,
    experts_chosen=2,
    expert_inner=32,
    norm_epsilon=1e-6,
    softcap=30.0,
    spec=ModelSpec("tiny", "uniform", "any", False, 512, 256, (1,)),
)

SIZES = {
    "real": Size(
        config=PUBLISHED,
        contexts=(512, 1024, 2048, 4096, 7936),
        batches=(1, 2, 4, 8, 16),
        canvas=256,
        near=1024,
        usual=2048,
        canvases=(16, 32, 64, 128),
        compared=PUBLISHED,
    ),
    "tiny": Size(
        config=TINY,
        contexts=(32, 64),
        batches=(1, 2),
        canvas=32,
        near=32,
        usual=64,
        canvases=(16,),
        compared=TINY,
    ),
}
"""The longest prompt leaves room for its canvas within 8,192 tokens."""
