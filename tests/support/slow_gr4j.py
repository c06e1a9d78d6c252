"""GR4J and snow written down once more, plainly and slowly, from the papers' equations.

One band at a time, and the whole input convolved with the unit hydrographs: nothing is shared with
the compiled model but the meaning of its parameters.
"""

from __future__ import annotations

import math

import numpy as np


def s_curve_1(t: float, x4: float) -> float:
    return 0.0 if t <= 0 else (t / x4) ** 2.5 if t < x4 else 1.0


def s_curve_2(t: float, x4: float) -> float:
    if t <= 0:
        return 0.0
    if t <= x4:
        return 0.5 * (t / x4) ** 2.5
    return 1.0 - 0.5 * (2.0 - t / x4) ** 2.5 if t < 2 * x4 else 1.0


def ordinates(curve, x4: float, last: int) -> list[float]:
    return [curve(j, x4) - curve(j - 1, x4) for j in range(1, last + 1)]


def snow(precipitation, temperature, warmth, melt_factor, snow_temperature, memory):
    """Liquid water per day: the mean of bands that know nothing of each other."""
    liquid = np.zeros(len(precipitation))
    for added in warmth:
        pack, cold = 0.0, 0.0
        for day, (p, t) in enumerate(zip(precipitation, temperature + added, strict=True)):
            if t <= snow_temperature - 1.0:
                share = 1.0
            elif t >= snow_temperature + 1.0:
                share = 0.0
            else:
                share = (snow_temperature + 1.0 - t) / 2.0
            pack += share * p
            cold = min(0.0, memory * cold + (1 - memory) * t) if pack > 0 else 0.0
            melt = min(pack, melt_factor * t) if (cold == 0.0 and t > 0) else 0.0
            pack -= melt
            if pack <= 0:
                cold = 0.0
            liquid[day] += ((1 - share) * p + melt) / len(warmth)
    return liquid


def gr4j(water, pet, x1, x2, x3, x4, production, routing):
    """Flow per day (Perrin et al. 2003): production first, then routing of the whole series."""
    effective = []
    s = production
    for p, e in zip(water, pet, strict=True):
        pn, en = max(p - e, 0.0), max(e - p, 0.0)
        ps = x1 * (1 - (s / x1) ** 2) * math.tanh(pn / x1) / (1 + s / x1 * math.tanh(pn / x1))
        es = s * (2 - s / x1) * math.tanh(en / x1) / (1 + (1 - s / x1) * math.tanh(en / x1))
        s = s - es + ps
        perc = s * (1 - (1 + (4 / 9 * s / x1) ** 4) ** -0.25)
        s -= perc
        effective.append(perc + pn - ps)
    q9 = np.convolve(0.9 * np.array(effective), ordinates(s_curve_1, x4, 40))[: len(effective)]
    q1 = np.convolve(0.1 * np.array(effective), ordinates(s_curve_2, x4, 40))[: len(effective)]
    r, flow = routing, []
    for slow, quick in zip(q9, q1, strict=True):
        f = x2 * (r / x3) ** 3.5
        r = max(0.0, r + slow + f)
        qr = r * (1 - (1 + (r / x3) ** 4) ** -0.25)
        r -= qr
        flow.append(qr + max(0.0, quick + f))
    return np.array(flow)
