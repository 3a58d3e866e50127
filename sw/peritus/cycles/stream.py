# SPDX-License-Identifier: Apache-2.0
"""Words of the weight stream as they leave the ring (rtl/memory/peritus_weight_store.sv)."""

from __future__ import annotations

from math import ceil, inf

from peritus.arch.config import PREFETCH_WORDS, RING_LATENCY, HwConfig
from peritus.cycles.errors import CycleError
from peritus.cycles.fetch import Fetch

STORED = RING_LATENCY + 1  # cycles from the last beat of a stripe until its first word is taken


class WeightStream:
    """stalls: cycles [from, to) of the last pop in which the word was not there."""

    def __init__(self, hw: HwConfig, fetch: Fetch) -> None:
        self.fetch = fetch
        self.stripe_words = hw.stripe_words
        self._tile_stripes = -(-hw.tile_words // hw.stripe_words)
        self._stored = STORED + (hw.axi_ports - 1) // 2  # mean wait for the turn of a port
        self._stripe = 0  # next to be consumed
        self._word = 0  # of it
        self._segment = 0
        self.stalls: list[tuple[int, int]] = []

    def there(self, stripe: int) -> float:
        """Cycle in which the first word of a stripe can leave; infinity if it is never requested."""
        return self.fetch.arrived(stripe) + self._stored

    def pop(self, words: int, cycle: int) -> int:
        """Take words from `cycle` on, one per cycle; the cycle of the last."""
        self.stalls = []
        last_stripe, in_last = divmod(self._word + words - 1, self.stripe_words)
        last_stripe += self._stripe
        freed = self.fetch.freed
        if self.there(last_stripe) <= cycle:
            first = cycle + self.stripe_words - self._word - 1
            count = last_stripe - self._stripe + (in_last == self.stripe_words - 1)
            freed.extend(range(first, first + count * self.stripe_words, self.stripe_words))
            self._stripe += count
            self._word = (in_last + 1) % self.stripe_words
            return cycle + words - 1
        return self._pop_slowly(words, cycle)

    def _pop_slowly(self, words: int, cycle: int) -> int:
        whole, freed, stalls = self.fetch.whole, self.fetch.freed, self.stalls
        stripe, word, stripe_words = self._stripe, self._word, self.stripe_words
        while words:
            # As there(), without the calls where it is known.
            arrival = whole[stripe] + self._stored if stripe < len(whole) else self.there(stripe)
            if arrival > cycle:
                if arrival == inf:
                    total = len(self.fetch.address)
                    raise CycleError(f"stripe {stripe} is to be popped, the task's fetch table has {total}")
                there = ceil(arrival)
                stalls.append((cycle, there))
                cycle = there
            count = stripe_words - word
            if words < count:
                count = words
            cycle += count
            words -= count
            word += count
            if word == stripe_words:
                freed.append(cycle - 1)
                stripe += 1
                word = 0
        self._stripe, self._word = stripe, word
        return cycle - 1

    def padding(self) -> int:
        """Words to the end of the present stripe."""
        return (self.stripe_words - self._word) % self.stripe_words

    def end_segment(self) -> None:
        """All words of a segment have been popped."""
        self._segment += 1

    def plenty(self, cycle: int) -> bool:
        """Is a whole tile sure to leave without a gap, if it begins behind `cycle`?"""
        read = self._stripe + (self._word + PREFETCH_WORDS) // self.stripe_words
        return self.there(read + self._tile_stripes) <= cycle + 1

    def drop(self, cycle: int) -> int:
        """Pass over the next segment, from `cycle` on; the cycle in which it is done."""
        cycle, stripes = self.fetch.drop(cycle, self._segment)
        self.fetch.freed.extend([cycle] * stripes)
        self._stripe += stripes
        self._segment += 1
        return cycle
