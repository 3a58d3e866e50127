# SPDX-License-Identifier: Apache-2.0
"""Options that commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from quant_models.data.open import SPECS_HELP

DataOption = Annotated[str, typer.Option(help=SPECS_HELP)]
