"""CalLMIP Phase 1: observations, submission files, their checks, and skill.

Nothing is imported here, so that ``catena --help`` stays quick:

- ``protocol``: what the protocol says, as tables (variables, units, scenarios, sites, names).
- ``observations``: daily fluxes of a site with their uncertainties.
- ``submission``: reads and writes submission files.
- ``checks`` and ``report``: the protocol's checklist, on anybody's file.
- ``skill``: agreement with the observations.

CalLMIP Phase 1 Protocol v2, June 2026, https://github.com/callmip-org/Phase1.
"""
