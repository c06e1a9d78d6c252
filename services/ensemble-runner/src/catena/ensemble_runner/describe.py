"""Replies of the quick rpcs."""

from __future__ import annotations

from catena.api.ensemble_runner.v1 import ensemble_runner_pb2 as pb
from catena.ensemble_runner.members import Members
from catena.ensemble_runner.models import MODELS, Model


def model_message(model: Model) -> pb.DescribeModelResponse:
    """What a model has and gives."""
    return pb.DescribeModelResponse(
        model=model.name,
        version=model.version,
        parameters=[
            pb.ParameterInfo(
                name=one.name,
                units=one.units,
                long_name=one.long_name,
                per_pft=one.per_pft,
                low=one.low,
                high=one.high,
                lowest=one.lowest,
                highest=one.highest,
                defaults=one.defaults,
            )
            for one in model.parameters
        ],
        outputs=[
            pb.OutputInfo(name=one.name, units=one.units, long_name=one.long_name, usual=one.usual)
            for one in model.outputs
        ],
        pfts=model.pfts,
        stages=[f"STAGE_KIND_{kind.upper()}" for kind in model.stages],
        models=sorted(MODELS),
    )


def members_message(members: Members) -> pb.DrawParametersResponse:
    """Drawn members."""
    return pb.DrawParametersResponse(
        table=pb.ParameterTable(
            columns=[
                pb.ParameterColumn(name=column.name, pft=column.pft) for column in members.columns
            ],
            values=members.rows.ravel(),
        ),
        units=members.units,
        low=members.low,
        high=members.high,
    )
