"""Sets of HCP-MMP1.0 areas by name: the 22 cortices, and those that studies of language use."""


def _areas(names: str) -> tuple[str, ...]:
    return tuple(names.split())


EARLY_AUDITORY = _areas("A1 LBelt PBelt MBelt RI A4")
PAPER_19 = _areas(
    "A5 44 45 IFJa IFSp PGi PGp PGs TPOJ1 TPOJ2 TPOJ3 STGa STSda STSdp TA2 STSva STSvp A1 A4"
)
TABLE_1 = {
    "table1_angular_gyrus": _areas("PFm PGs PGi TPOJ2 TPOJ3"),
    "table1_lateral_temporal": _areas(
        "STSda STSva STGa TE1a TE2a TGv TGd A5 STSdp STSvp PSL STV TPOJ1"
    ),
    "table1_inferior_frontal": _areas("44 45 IFJa IFSp"),
    "table1_middle_frontal": ("55b",),
}

# Glasser et al. 2016, supplementary neuroanatomical results: each area lies in exactly one.
CORTICES = {
    name: _areas(areas)
    for name, areas in {
        "Primary Visual": "V1",
        "Early Visual": "V2 V3 V4",
        "Dorsal Stream": "V3A V3B V6 V6A V7 IPS1",
        "Ventral Stream": "V8 FFC PIT VMV1 VMV2 VMV3 VVC",
        "MT+ and Neighbours": "V3CD LO1 LO2 LO3 V4t FST MT MST PH",
        "Somatosensory and Motor": "4 3a 3b 1 2",
        "Paracentral and Mid Cingulate": "24dd 24dv 6mp 6ma SCEF 5m 5L 5mv",
        "Premotor": "55b 6a 6d FEF 6v 6r PEF",
        "Posterior Opercular": "43 FOP1 OP4 OP1 OP2-3 PFcm",
        "Early Auditory": "A1 LBelt MBelt PBelt RI",
        "Auditory Association": "A4 A5 STSdp STSda STSvp STSva STGa TA2",
        "Insular and Frontal Opercular": ("52 PI Ig PoI1 PoI2 FOP2 FOP3 FOP4 FOP5 MI AVI AAIC Pir"),
        "Medial Temporal": "H PreS EC PeEc PHA1 PHA2 PHA3",
        "Lateral Temporal": "PHT TE1p TE1m TE1a TE2p TE2a TGv TGd TF",
        "TPOJ": "TPOJ1 TPOJ2 TPOJ3 STV PSL",
        "Superior Parietal": "LIPv LIPd VIP AIP MIP 7PC 7AL 7Am 7PL 7Pm",
        "Inferior Parietal": "PGp PGs PGi PFm PF PFt PFop IP0 IP1 IP2",
        "Posterior Cingulate": ("DVT ProS POS1 POS2 RSC v23ab d23ab 31pv 31pd 31a 23d 23c PCV 7m"),
        "Anterior Cingulate and mPFC": (
            "33pr p24pr a24pr p24 a24 p32pr a32pr d32 p32 s32 8BM 9m 10v 10r 25"
        ),
        "Orbital and Polar Frontal": "47s 47m a47r 11l 13l a10p p10p 10pp 10d OFC pOFC",
        "Inferior Frontal": "44 45 IFJp IFJa IFSp IFSa 47l p47r",
        "DLPFC": ("8C 8Av i6-8 s6-8 SFL 8BL 9p 9a 8Ad p9-46v a9-46v 46 9-46d"),
    }.items()
}
GROUPS: dict[str, tuple[str, ...]] = {
    "early_auditory": EARLY_AUDITORY,
    "late_language": tuple(area for area in PAPER_19 if area not in ("STSvp", "A1", "A4")),
    "angular_gyrus": _areas("PGi PGp PGs TPOJ2 TPOJ3"),
    "ltc": _areas("TPOJ1 STGa STSda STSdp A5 STSva"),
    "ifg_mfg": _areas("44 45 IFJa IFSp"),
    "paper19": PAPER_19,
    **TABLE_1,
    "table1": tuple(
        dict.fromkeys([area for areas in TABLE_1.values() for area in areas] + [*EARLY_AUDITORY])
    ),
    **{f"cortex:{name}": areas for name, areas in CORTICES.items()},
}
