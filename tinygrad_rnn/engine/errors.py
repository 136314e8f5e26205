"""What can go wrong, by name: catch these to tell a wrong shape from a wrong dtype or graph."""


class ShapeError(ValueError):
    """Operands whose shapes do not fit together."""


class DtypeError(TypeError):
    """An operand of the wrong dtype or kind."""


class GraphError(RuntimeError):
    """A computation graph used in a way that would give a wrong gradient."""


class GradcheckError(AssertionError):
    """A derivative rule that disagrees with finite differences."""


class AnomalyError(ArithmeticError):
    """A NaN or infinity met while `detect_anomaly` watched."""
