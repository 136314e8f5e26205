"""How warm the next days will be in Seattle.

"As today" is a good forecast for tomorrow, and "as in a normal year" is never far off. A GRU reads
two weeks and learns when to believe which. A normal year is what one expects of a date before one
knows the weather: here a smooth curve through the three years before 2015. (The hourly normals of
NOAA, means of 30 years, are such a curve themselves: in them there is no weather to forecast.) The
score is the mean error of all three-day forecasts for 2015, in °C, where lower is better; the
baseline is the better of its rivals. The past of a single place does not tell much more.
Data: days in Seattle, 2012 to 2015, from NOAA by way of vega_datasets (BSD-3-Clause).
"""

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import data, nn, optim, plot

PAST, WEEK, QUANTITIES = 14, 7, ("temperature_maximum", "temperature_minimum", "wind")
table = data.source("seattle-weather").read()
time, warmth = table["time"], table["temperature_maximum"]
rain = np.sqrt(table["precipitation"])  # so that a downpour does not outweigh all else
series = np.stack([*(table[name] for name in QUANTITIES), rain], axis=1)
cut = int(np.searchsorted(time, np.datetime64("2015-01-01")))

angle = 2 * np.pi / 365.25 * np.arange(len(time))[:, None] * [1, 2]
season = np.hstack([np.sin(angle), np.cos(angle), np.ones((len(time), 1))])
normal = season @ np.linalg.lstsq(season[:cut], series[:cut], rcond=None)[0]
scaler = data.StandardScaler().fit((series - normal)[:cut])
kinds = table["weather"][:, None] == np.unique(table["weather"][:cut])
inputs = np.hstack([scaler.transform(series - normal), kinds, season]).astype("float32")
windows = data.forecast_windows(inputs, PAST, WEEK, targets=[0], within=slice(0, cut))
test = data.forecast_windows(inputs, PAST, WEEK, targets=[0], within=slice(cut - PAST, None))

gru = nn.GRU(inputs.shape[1], 16, batch_first=True, seed=0)
head = nn.Sequential(nn.Dropout(0.5, seed=1), nn.Linear(16, WEEK, seed=2))
adam = optim.AdamW([*gru.parameters(), *head.parameters()], lr=1e-2, weight_decay=0.3)
schedule = optim.OneCycleLR(adam, max_lr=1e-2, total_steps=120)
for chosen in np.random.default_rng(3).integers(len(windows), size=(120, 64)):
    batch = windows[chosen]
    adam.zero_grad()
    tg.mae(head(gru(batch.past)[1][0]), batch.targets[..., 0]).backward()
    adam.step()
    schedule.step()

head.eval()
with tg.no_grad():
    anomaly = head(gru(test.past)[1][0]).numpy()
days = test.origins[:, None] + np.arange(WEEK)
forecasts = {
    "as today": data.persistence(warmth[test.origins - 1][:, None], WEEK),
    "as in a normal year": normal[days, 0],
    "GRU": normal[days, 0] + scaler.inverse(anomaly[..., None], columns=[0])[..., 0],
}
errors = {name: np.abs(y - warmth[days]).mean(axis=0) for name, y in forecasts.items()}
*rivals, score = (float(error[:3].mean()) for error in errors.values())
baseline = min(rivals)
for name, error in errors.items():
    print(f"{name:20}", *(f"{e:5.2f}" for e in error), f"  first three {error[:3].mean():.2f} °C")
curves = {name: {"x": np.arange(1, WEEK + 1), "y": error} for name, error in errors.items()}
figure = plot.loss_curves(curves, title="mean error in °C", x_label="days ahead")
