# SPDX-License-Identifier: Apache-2.0
"""Where every cycle of a frame goes, for people: one page, a trace for Perfetto, the energy as an
estimate."""

from peritus.pages.recorded import of_run
from peritus.pages.subject import Frame, Subject, of_bundle

__all__ = ["Frame", "Subject", "of_bundle", "of_run"]
