"""Questions that take the data and a document: one of each, asked in one sentence."""

from __future__ import annotations

PAIRS = (
    ("airports/state-or", "documents/airports-site"),
    ("airports/state-nv", "documents/airports-site"),
    ("airports/big-states", "documents/airports-site"),
    ("seattle_weather/days-drizzle", "documents/weather-source"),
    ("seattle_weather/hottest-2015", "documents/weather-source"),
    ("seattle_weather/days-fog-2014", "documents/temps-seattle"),
    ("seattle_weather/rain-2014", "documents/weather-source"),
    ("seattle_weather/wettest", "documents/temps-sf"),
    ("stocks/mean-goog-2009", "documents/stocks-often"),
    ("stocks/highest-ibm", "documents/ohlc-when"),
    ("stocks/count-goog", "documents/sources-stocks-changed"),
    ("stocks/price-aapl-2008-10", "documents/stocks-often"),
    ("us_employment/highest-nonfarm", "documents/employment-program"),
    ("us_employment/highest-change", "documents/employment-day"),
    ("us_employment/construction-2015-12", "documents/employment-sectors"),
    ("us_employment/falls-2008", "documents/employment-day"),
    ("us_employment/lowest-manufacturing", "documents/sources-employment-changed"),
    ("cars/from-europe", "documents/cars-who"),
    ("cars/power-usa", "documents/cars-who"),
    ("cars/cylinders-8", "documents/sources-cars-changed"),
    ("cars/heaviest", "documents/cars-who"),
    ("cars/mileage-4", "documents/driving-years"),
    ("cars/of-1973", "documents/burtin-when"),
    ("cars/origins", "documents/licence-holder"),
    ("airports/state-ak", "documents/wheat-who"),
    ("stocks/dearest-2010-03", "documents/iowa-day"),
)
"""The question of the data, then that of a document."""
