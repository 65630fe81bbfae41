"""What each process of `test_distributed` runs: a few steps on batches from a file, then a checkpoint."""

import sys
from dataclasses import replace
from pathlib import Path

import torch

from engine.models.block_llama import BlockLlama
from engine.train.distributed import joined
from engine.train.loop import Trainer


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    given = torch.load(folder / "given.pt", weights_only=False)
    model = BlockLlama(given["config"])
    model.load_state_dict(given["weights"])
    with joined(torch.device("cpu")) as ranks:
        trainer = Trainer(model, None, given["recipe"], ranks=ranks)  # type: ignore[arg-type]
        losses = [trainer.train_step(batch, 3e-3) for batch in given["batches"]]
        trainer.save(folder / "checkpoint")
        if ranks.first:
            parts = [each.to_local().numel() for each in trainer.model.parameters()]
            torch.save(
                {"losses": [float(loss.denoise) for loss in losses], "held": sum(parts)},
                folder / "said.pt",
            )
        resumed = Trainer(
            BlockLlama(replace(given["config"])),
            None,
            given["recipe"],
            ranks=ranks,  # type: ignore[arg-type]
        )
        resumed.resume(folder / "checkpoint")
        for name, value in resumed.model.named_parameters():
            assert value.full_tensor().equal(
                dict(trainer.model.named_parameters())[name].full_tensor()
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
