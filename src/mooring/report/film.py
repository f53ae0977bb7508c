"""Episodes of a policy as a film that the reader plays: pictures that the environment draws, or dots in a maze.

The episodes are the first ones of `mooring evaluate`, lived by the same code. MuJoCo draws without a window (EGL), and
without shadows, which take most of its time. Pictures are tiles of one sheet, so that the page's script can play, stop
and step through them; there is nothing that moves unasked.
"""

from __future__ import annotations

import io
import os
import sys
from base64 import b64encode
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import UInt8

from mooring.environments.making import make
from mooring.environments.mazes import Maze, maze, named_in
from mooring.errors import BadInput, missing_extra
from mooring.evaluation.rollouts import Environments, Returns, spec_of
from mooring.loop import stack
from mooring.types import Policy

FRAMES, COLUMNS = 64, 8
WIDTH, HEIGHT = 240, 180
PACE = 12.0  # frames in a second of the environment's own time, about
QUALITY = 40
WALKS = 5  # episodes that are shown in one maze

Env = gymnasium.Env[Any, Any]


class Camera(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment of which something is kept after its reset and after every so many steps, up to `most` times."""

    def __init__(self, env: Env, look: Callable[[Env, Any], Any], every: int = 1, most: int = sys.maxsize) -> None:
        super().__init__(env)
        self.look, self.every, self.most = look, every, most
        self.seen: list[Any] = []
        self.time = 0

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        obs, info = self.env.reset(**options)
        self.seen, self.time = [self.look(self.env, obs)], 0
        return obs, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        obs, *rest = self.env.step(action)
        self.time += 1
        if self.time % self.every == 0 and len(self.seen) < self.most:
            self.seen.append(self.look(self.env, obs))
        return obs, *rest


def film(policy: Policy, env_id: str, title: str) -> str:
    """A figure that shows the policy act greedily in the environment.

    Raises BadInput where the environment is unknown or draws no pictures, or where a package or a driver is missing.
    """
    name = named_in(env_id)
    if name:
        return _walks(policy, env_id, maze(name), title)
    every, pause = _rhythm(env_id)
    camera, played = _lived(policy, env_id, 1, lambda env: Camera(env, _picture, every, FRAMES), "rgb_array")
    frames = np.stack(camera[0].seen)
    count, height, width, _ = frames.shape
    rows = -(-count // COLUMNS)
    screen = (
        f'<div class="screen" role="img" aria-label="{escape(title)}" style="aspect-ratio: {width} / {height}; '
        f'background-size: {100 * COLUMNS}% {100 * rows}%; background-image: url({_sheet(frames)})"></div>'
    )
    words = f"{_outcome(played)}, greedy: the first {_counted((count - 1) * every, 'step')} of it."
    return _figure(title, screen, words, count, pause)


def _walks(policy: Policy, env_id: str, facts: Maze, title: str) -> str:
    """Dots that walk through a drawing of the maze, with their trails."""
    height, width = facts.walls.shape
    cameras, played = _lived(policy, env_id, WALKS, lambda env: Camera(env, lambda _, obs: np.array(obs)))
    walks = [[f"{x * width:.2f},{y * height:.2f}" for y, x in camera.seen] for camera in cameras]
    blocks = "".join(f'<rect class="wall" x="{x}" y="{y}" width="1" height="1"/>' for y, x in np.argwhere(facts.walls))
    marks = "".join(
        f'<circle class="{kind}" cx="{x}" cy="{y}" r="{radius}"/>'
        for kind, (y, x), radius in (("start", facts.start, width / 40), ("goal", facts.goal, facts.radius))
    )
    trails = "".join(
        f'<polyline class="trail" stroke-width="{width / 150:.2f}" points="{" ".join(walk)}"/>' for walk in walks
    )
    dots = "".join(_dot(walk, width / 50) for walk in walks)
    drawing = (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
        f'<rect class="floor" width="{width}" height="{height}"/>{blocks}{marks}{trails}{dots}</svg>'
    )
    words = f"{_outcome(played)}, greedy; from the orange start into the green goal."
    return _figure(title, drawing, words, max(map(len, walks)), 120.0)


def _dot(walk: Sequence[str], radius: float) -> str:
    x, y = walk[0].split(",")
    look = f'class="walker" r="{radius:.2f}" stroke-width="{radius / 4:.2f}"'
    return f'<circle {look} cx="{x}" cy="{y}" data-path="{" ".join(walk)}"/>'


def _lived(
    policy: Policy, env_id: str, episodes: int, camera: Callable[[Env], Camera], render_mode: str | None = None
) -> tuple[list[Camera], Returns]:
    """The first episodes of `mooring evaluate`, and the cameras that saw them."""
    cameras: list[Camera] = []

    def filmed(env_id: str) -> Env:
        cameras.append(camera(make(env_id, render_mode)))
        return cameras[-1]

    with Environments(env_id, 1, episodes, spec_of(policy), made_by=filmed) as environments:
        return cameras, environments.rollout(stack([policy]))


def _rhythm(env_id: str) -> tuple[int, float]:
    """Steps from one frame to the next, and milliseconds: about `PACE` frames in a second of the environment's time."""
    if sys.platform == "linux":
        os.environ.setdefault("MUJOCO_GL", "egl")
    with make(env_id) as env:
        if "rgb_array" not in env.metadata.get("render_modes", ()):
            raise BadInput(f"environment {env_id}", "draws no pictures")
        pace = float(env.metadata.get("render_fps", PACE))
    every = max(1, round(pace / PACE))
    return every, 1000 * every / pace


def _picture(env: Env, obs: Any) -> UInt8[np.ndarray, "H W 3"]:
    """What the environment draws, no larger than WIDTH x HEIGHT."""
    renderer = getattr(env.unwrapped, "mujoco_renderer", None)
    if renderer is not None:
        renderer.width, renderer.height = WIDTH, HEIGHT
        quality = renderer.model.vis.quality
        quality.shadowsize = quality.offsamples = 0
    drawn = np.asarray(env.render())
    if drawn.ndim != 3:
        raise BadInput("film", f"the environment drew {type(drawn).__name__} {drawn.shape}", "a picture")
    image = _pillow().fromarray(drawn)
    image.thumbnail((WIDTH, HEIGHT))
    return np.asarray(image)


def _sheet(frames: UInt8[np.ndarray, "F H W 3"]) -> str:
    """All frames as tiles of one picture, which stands in its own address."""
    count, height, width, _ = frames.shape
    sheet = np.zeros((-(-count // COLUMNS), COLUMNS, height, width, 3), np.uint8)
    sheet.reshape(-1, height, width, 3)[:count] = frames
    rows = sheet.transpose(0, 2, 1, 3, 4).reshape(-1, COLUMNS * width, 3)
    file = io.BytesIO()
    _pillow().fromarray(rows).save(file, "WEBP", quality=QUALITY)
    return f"data:image/webp;base64,{b64encode(file.getvalue()).decode()}"


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise missing_extra("pillow", "plot", "films") from error
    return Image


def _outcome(played: Returns) -> str:
    returns, lengths = played.returns[0], played.lengths[0]
    if len(returns) == 1:
        return f"Return {returns[0]:,.1f} in {_counted(int(lengths[0]), 'step')}"
    return f"{len(returns)} episodes of mean return {returns.mean():,.1f}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _figure(title: str, screen: str, words: str, frames: int, pause: float) -> str:
    return f"""<figure class="film" data-columns="{COLUMNS}" data-pause="{pause:.0f}">
<h3>{escape(title)}</h3>
{screen}
<div class="controls"><button type="button">Play</button>
<input type="range" min="0" max="{frames - 1}" value="0" aria-label="Frame of the film: {escape(title)}"></div>
<figcaption>{escape(words)}</figcaption>
</figure>
"""
