"""What drawing a figure loads."""

import subprocess
import sys


def test_a_figure_loads_neither_networks_nor_statistics():
    """Figures are drawn from tables: the modules that draw them load neither PyTorch nor SciPy's statistics."""
    code = "import sys, labeldropout.publication.figures.draw; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "labeldropout.analysis.claims.kinds" in loaded
    assert not {"torch", "scipy.stats", "statsmodels"} & set(loaded)
