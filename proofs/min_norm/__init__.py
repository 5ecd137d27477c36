"""The claims of the min_norm paper, in its order, then what lies `beyond` it. Each module holds a section, with its checks; `formulas` holds the formulas they are about."""

__all__ = ["MODULES", "ORDER"]

MODULES = (
    "kinks",
    "population",
    "perimeter",
    "certificate",
    "main_theorem",
    "two_points",
    "random_teachers",
    "experiments",
    "dimension",
    "beyond.recovery",
    "beyond.few_samples",
    "beyond.one_neuron",
    "beyond.recovery_odds",
)
"""Where its claims are, in the order of the paper, loaded when one of them is asked for."""

ORDER = (
    "eq5",
    "prop4.2",
    "prop4.2.mended",
    "rem4.3.1",
    "rem4.3.2",
    "rem4.3.3",
    "teacher_kappa",
    "teacher_kappa.mended",
    "eq9",
    "eq9.mended",
    "rem4.4.2",
    "fig1_3",
    "thm5.2",
    "thm5.2.certificate",
    "thm5.2.mended",
    "thm5.2.measured",
    "thm5.2.two",
    "thm5.2.proof",
    "thm5.2.proof.mended",
    "rem5.3",
    "rem5.3.mended",
    "eq12",
    "exp.N40",
    "exp.N40.measured",
    "exp.N20",
    "exp.N20.measured",
    "conj.d",
    "conj.d.mended",
)
"""Its claims in the order of the paper, where that is not the order of the modules."""
