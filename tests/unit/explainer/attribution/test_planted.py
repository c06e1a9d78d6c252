"""Gradients and Hessians find what a planted flow was made of."""

from __future__ import annotations

import torch
from support.planted_flow import ALONE, COLUMNS, PAIR, PLACE, planted_flow, planted_rows

from catena.explainer.attribution.hessians import integrated_hessians
from catena.explainer.attribution.integrated import IntegratedGradients
from catena.explainer.attribution.prediction import Groups


def test_the_planted_variables_and_lags_are_found_and_no_others() -> None:
    rows = planted_rows(40)
    made = IntegratedGradients(planted_flow).attribute(rows, planted_rows(10, seed=1))
    weight = made.values[:, 0].abs().mean(0)
    planted = {*PAIR, ALONE}
    order = weight.argsort(descending=True).tolist()
    assert {COLUMNS[place] for place in order[:3]} == planted
    assert float(weight[order[3:]].max()) == 0


def test_a_variable_s_contribution_is_that_of_its_planted_lag() -> None:
    rows, base = planted_rows(7), planted_rows(3, seed=1)
    made = IntegratedGradients(planted_flow).attribute(rows, base)
    by_variable = made.grouped(Groups.of([variable for variable, _ in COLUMNS]))
    of_flow = 2 * (rows[:, PLACE[ALONE]] - base[:, PLACE[ALONE]].mean())
    torch.testing.assert_close(by_variable[:, 0, 2], of_flow)


def test_the_planted_pair_is_found_and_no_other() -> None:
    rows = planted_rows(30)
    groups = Groups.of(COLUMNS)
    made = integrated_hessians(planted_flow, rows, torch.zeros(1, len(COLUMNS)), groups)
    strength = made.values[:, 0].abs().mean(0)
    pairs = strength.triu(1)
    first, second = (PLACE[column] for column in PAIR)
    assert divmod(int(pairs.argmax()), len(COLUMNS)) == (first, second)
    assert float(pairs.sum()) == float(pairs[first, second])
    # flow acts alone
    alone = PLACE[ALONE]
    torch.testing.assert_close(made.values[:, 0, alone, alone], 2 * rows[:, alone])
