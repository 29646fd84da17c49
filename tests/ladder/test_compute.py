"""FLOPs against the paper's Table 1 and OLMo's published counts."""

import numpy as np
import pytest

from flpjax.ladder.compute import flops_rule, six_nd, transformer_flops, transformer_params
from flpjax.ladder.features import Features
from flpjax.ladder.simulate import LADDER

# Chen et al. 2024, Table 1: size, layers, width, FFN width, tokens, FLOPs as printed there.
TABLE_1 = [
    ("43M", 3, 384, 1032, 8_021_606_400, 3.70504e17),
    ("64M", 4, 512, 1376, 11_714_691_072, 1.18417e18),
    ("89M", 5, 640, 1720, 16_184_770_560, 3.03607e18),
    ("0.12B", 6, 768, 2064, 21_799_895_040, 6.81931e18),
    ("0.15B", 7, 896, 2408, 28_846_325_760, 1.39581e19),
    ("0.2B", 8, 1024, 2752, 37_213_962_240, 2.63435e19),
    ("0.25B", 9, 1152, 3096, 47_563_407_360, 4.71817e19),
    ("0.32B", 10, 1280, 3440, 59_674_460_160, 8.01571e19),
    ("0.5B", 12, 1536, 4128, 90_502_594_560, 2.05963e20),
    ("0.72B", 14, 1792, 4816, 132_026_204_160, 4.70331e20),
    ("1B", 16, 2048, 5504, 185_535_037_440, 9.75926e20),
    ("3B", 24, 3072, 8256, 556_793_856_000, 9.63212e21),
    ("7B", 32, 4096, 11008, 1_258_291_200_000, 5.09208e22),
    ("13B", 40, 5120, 13824, 1_258_291_200_000, 9.89592e22),
]

# OLMo ladder (Bhagia et al. 2024): non-embedding parameters and FLOPs per token of 190M, 370M, 760M, 1B and of the 7B.
OLMO_PARAMS = np.array([190354176.0, 371262464.0, 758220288.0, 1279395840.0])
OLMO_PER_TOKEN = np.array([1903391232.0, 3443922944.0, 6373843968.0, 10109071360.0])
OLMO_7B = (6887575552.0, 49412071424.0)


@pytest.mark.parametrize(("size", "layers", "width", "ffn", "tokens", "printed"), TABLE_1)
def test_table_1(size, layers, width, ffn, tokens, printed):
    flops = transformer_flops(tokens, transformer_params(layers, width, ffn), layers, width, context=2048)
    assert flops == pytest.approx(printed, rel=1e-3)
    assert LADDER[size] == (layers, width, ffn, tokens)


def test_transformer_params_by_hand():
    assert transformer_params(2, 5, 7) == 2 * (4 * 25 + 3 * 35)
    np.testing.assert_array_equal(transformer_params(np.array([2, 3]), 5, 7), [410, 615])


def test_rule_recovers_six_nd_exactly():
    params, tokens = np.geomspace(1e7, 1e10, 7), np.geomspace(2e8, 3e12, 7)
    rule = flops_rule(params, tokens, six_nd(params, tokens))
    assert rule.extra == pytest.approx(0.0, abs=1e-12)
    assert rule.scatter < 1e-14
    assert rule(7e10, 1.4e13) == pytest.approx(6 * 7e10 * 1.4e13, rel=1e-14)


def test_rule_of_one_model():
    rule = flops_rule(np.full(3, 1e9), np.array([1e9, 2e9, 5e9]), 7.5e9 * np.array([1e9, 2e9, 5e9]))
    assert rule(3e9, 1e10) == pytest.approx(7.5 * 3e9 * 1e10)
    assert rule.extra > 1.0


def test_rule_predicts_olmo_7b_from_its_ladder():
    tokens = 100 * OLMO_PARAMS
    rule = flops_rule(OLMO_PARAMS, tokens, OLMO_PER_TOKEN * tokens)
    params, per_token = OLMO_7B
    assert rule(params, 3.9e12) == pytest.approx(per_token * 3.9e12, rel=0.04)
    # 6·N·D would be 16 % off, so the rule earns its keep.
    assert abs(6 * params / per_token - 1) > 0.15


def test_rule_predicts_table_1_targets_from_its_ladder():
    _, layers, width, ffn, tokens, flops = (np.array(c) for c in zip(*TABLE_1, strict=True))
    params = transformer_params(layers, width, ffn)
    rule = flops_rule(params[:12], tokens[:12].astype(float), flops[:12])
    for i in (12, 13):
        assert rule(params[i], tokens[i]) == pytest.approx(flops[i], rel=0.005)


def test_compute_survives_float32():
    c = Features.of_logs(*(np.float32(np.log(v)) for v in (1e12, 1e13, 1e26)))
    assert np.isfinite(np.float32(1.5) * c.log_flops)
