# SPDX-License-Identifier: GPL-3.0-or-later
"""The terms of Tencent's Hunyuan3D weights, shown whole before a download."""

from ...contract import License

TERRITORY = "not in the EU, the UK and South Korea"
TERMS = (
    "The weights are by Tencent, under the {name}. It is not an open source license. "
    "TERRITORY: it does not apply in the European Union, the United Kingdom and South Korea. There you have no right "
    "to use the model or its results, and results must not be used or shown there. "
    "USERS: elsewhere it is free, also for commercial use; but if your products or services had more than 1 million "
    "monthly active users when the version was released, you must ask Tencent for a license first. "
    "NO TRAINING: results belong to you, but neither the model nor its results may be used to improve any other AI "
    "model. "
    "ACCEPTABLE USE: a policy applies. Among others, no military use, and machine-made content must be marked as such "
    "when it is published. "
    "PASSING ON: whoever passes the model on must pass on the license and its notice ({name}, Copyright © {year} "
    "Tencent. All Rights Reserved.). "
    "Headers in Tencent's source call the same license non-commercial, which its text does not say: read it, and "
    "decide for yourself. The image encoder DINOv2 is by Meta, Apache-2.0."
)


def _license(version: str, repository: str) -> License:
    name = f"Tencent Hunyuan 3D {version} Community License Agreement"
    return License(
        name=name,
        url=f"https://huggingface.co/{repository}/blob/main/LICENSE",
        text=TERMS.format(name=name, year=2025),
        commercial_use=True,
        territory=TERRITORY,
    )


LICENSE_2_1 = _license("2.1", "tencent/Hunyuan3D-2.1")
LICENSE_2_0 = _license("2.0", "tencent/Hunyuan3D-2")
