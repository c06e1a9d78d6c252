"""Positions of the parameters in the model's arrays, as compile-time numbers."""

from __future__ import annotations

from catena.coupler.embedded.parameters import pft_parameter_names, scalar_names

_S = {name: index for index, name in enumerate(scalar_names())}
_P = {name: index for index, name in enumerate(pft_parameter_names())}

BR_MR = _S["br_mr"]
Q10_MR = _S["q10_mr"]
Q10_HR = _S["q10_hr"]
CRIT_DAYL = _S["crit_dayl"]
CRIT_ONSET_GDD = _S["crit_onset_gdd"]
CRIT_DAYL_STRESS = _S["crit_dayl_stress"]
CRIT_ONSET_SWI = _S["crit_onset_swi"]
CRIT_OFFSET_SWI = _S["crit_offset_swi"]
CRIT_OFFSET_FDD = _S["crit_offset_fdd"]
SOILPSI_ON = _S["soilpsi_on"]
SOILPSI_OFF = _S["soilpsi_off"]
NDAYS_ON = _S["ndays_on"]
NDAYS_OFF = _S["ndays_off"]
FSTOR2TRAN = _S["fstor2tran"]
LWTOP_ANN = _S["lwtop_ann"]
R_MORT = _S["r_mort"]
FNR = _S["fnr"]
ACT25 = _S["act25"]
RATES = tuple(_S[f"k_{pool}"] for pool in ("l1", "l2", "l3", "frag", "s1", "s2", "s3", "s4"))
"""Decomposition rates in the order of the pools."""
DEPTHS = tuple(
    _S[f"depth_{p}"] for p in ("litr1", "litr2", "litr3", "cwd", "soil1", "soil2", "soil3", "soil4")
)
RF_LITTER = tuple(_S[f"rf_{step}"] for step in ("l1s1", "l2s2", "l3s3"))
RF_SOIL = tuple(_S[f"rf_{step}"] for step in ("s1s2", "s2s3", "s3s4"))
CWD_FCEL = _S["cwd_fcel"]
CN_SOIL = tuple(_S[f"cn_s{n}"] for n in (1, 2, 3, 4))
DNP = _S["dnp"]
SF_MINN = _S["sf_minn"]
EXCESS_N_LOSS = _S["excess_n_loss"]

ROOTA_PAR = _P["roota_par"]
ROOTB_PAR = _P["rootb_par"]
SLATOP = _P["slatop"]
DSLADLAI = _P["dsladlai"]
FLNR = _P["flnr"]
LEAFCN = _P["leafcn"]
FROOTCN = _P["frootcn"]
LIVEWDCN = _P["livewdcn"]
DEADWDCN = _P["deadwdcn"]
LFLITCN = _P["lflitcn"]
FROOT_LEAF = _P["froot_leaf"]
STEM_LEAF = _P["stem_leaf"]
CROOT_STEM = _P["croot_stem"]
FLIVEWD = _P["flivewd"]
FCUR = _P["fcur"]
LEAF_LONG = _P["leaf_long"]
FROOT_LONG = _P["froot_long"]
EVERGREEN = _P["evergreen"]
STRESS_DECID = _P["stress_decid"]
SEASON_DECID = _P["season_decid"]
WOODY = _P["woody"]
C3PSN = _P["c3psn"]
SMPSO = _P["smpso"]
SMPSC = _P["smpsc"]
LF_FLAB = _P["lf_flab"]
LF_FCEL = _P["lf_fcel"]
FR_FLAB = _P["fr_flab"]
FR_FCEL = _P["fr_fcel"]
GRPERC = _P["grperc"]
MEDLYNSLOPE = _P["medlynslope"]
CANOPY_ALBEDO = _P["canopy_albedo"]
CANOPY_HEIGHT = _P["canopy_height"]
