r"""`tg start`: a minute of training, then the book."""

from dataclasses import replace
from pathlib import Path

from tinygrad_rnn.cli.terminal import explained, say
from tinygrad_rnn.cli.training import documentation, report, train_text
from tinygrad_rnn.train import Settings

__all__ = ["MODEL", "build_and_serve", "train"]

MODEL = Settings(steps=1_000_000)
"""The clock ends this training, not the steps; on two quiet cores that is after about 2,500."""


def train(folder: Path, *, seconds: float, seed: int) -> None:
    """Train chapter 5's model for so long, the last evaluation included, and draw its loss."""
    experiment = train_text(
        documentation(),
        replace(MODEL, seed=seed),
        folder,
        # The rest is for the evaluation at the end.
        seconds=0.95 * seconds,
        command=f"tg train docs --run {folder} --seconds {seconds:g} --resume",
    )
    report(experiment)
    with explained(ImportError):
        from tinygrad_rnn.plot import as_svg, loss_curve

        figure = loss_curve(experiment.journal, x="seconds", smoothing=0.8)
    curve = folder / "loss.svg"
    curve.write_text(as_svg(figure), encoding="utf-8")
    say(f"loss curve in {curve}, samples in {folder / 'samples.txt'}")


def build_and_serve(port: int | None) -> None:
    """Build the book and serve it, or only build it if there is no port."""
    from tinygrad_rnn.book.site import SiteError, build_site, serve_site

    with explained(SiteError):
        say("building the book")
        site = build_site()
        say(f"built in {site}")
        if port is not None:
            serve_site(port, announce=say)
