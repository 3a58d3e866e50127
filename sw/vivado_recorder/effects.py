# SPDX-License-Identifier: Apache-2.0
"""What the commands of the table do to the model: functions by the name that the table calls them."""

from __future__ import annotations

from collections.abc import Callable

from vivado_recorder import effects_design, effects_hls, effects_project, effects_runs
from vivado_recorder.effects_project import Result
from vivado_recorder.model import Model
from vivado_recorder.table import Call

EFFECTS: dict[str, Callable[[Model, Call], Result]] = {
    name: effect
    for module in (effects_project, effects_design, effects_runs, effects_hls)
    for name, effect in vars(module).items()
    if callable(effect) and getattr(effect, "__module__", "") == module.__name__ and not name.startswith("_")
}
