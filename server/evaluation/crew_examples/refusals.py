"""Questions that neither the data nor the documents answer, though something near is there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A question to which the right answer is that it can't be answered."""

    name: str
    text: str
    near: str
    """What is there instead."""
    sql: str = ""
    """Gives a row if the data held it after all; empty where no column could."""
    nowhere: tuple[str, ...] = ()
    """Words that a column or a document would have if it held the answer."""


QUESTIONS = (
    Refusal(
        name="price-later",
        text="What was the price of AAPL in June 2012?",
        near="prices of AAPL, which end in March 2010",
        sql="SELECT price FROM stocks WHERE symbol = 'AAPL' AND year(date) = 2012",
    ),
    Refusal(
        name="price-earlier",
        text="What was the price of GOOG in May 2001?",
        near="prices of GOOG, which begin in August 2004",
        sql="SELECT price FROM stocks WHERE symbol = 'GOOG' AND year(date) = 2001",
    ),
    Refusal(
        name="price-other",
        text="What was the highest price of TSLA?",
        near="prices of five other stocks",
        sql="SELECT price FROM stocks WHERE symbol = 'TSLA'",
    ),
    Refusal(
        name="rain-later",
        text="How much precipitation fell in Seattle in 2018?",
        near="precipitation in Seattle, 2012 to 2015",
        sql="SELECT precipitation FROM seattle_weather WHERE year(date) = 2018",
    ),
    Refusal(
        name="hail",
        text="On which day did it hail in Seattle?",
        near="days of drizzle, fog, rain, snow and sun",
        sql="SELECT date FROM seattle_weather WHERE weather = 'hail'",
    ),
    Refusal(
        name="employment-later",
        text="How many thousands of people worked in construction in the US in March 2019?",
        near="employment from 2006 to 2015",
        sql="SELECT construction FROM us_employment WHERE year(month) = 2019",
    ),
    Refusal(
        name="cars-cylinders",
        text="Which car with 12 cylinders is the heaviest?",
        near="cars with 3 to 8 cylinders",
        sql="SELECT Name FROM cars WHERE Cylinders = 12",
    ),
    Refusal(
        name="airport-code",
        text="In which city is the airport with the code QQQ?",
        near="airports with other codes",
        sql="SELECT city FROM airports WHERE iata = 'QQQ'",
    ),
    Refusal(
        name="car-prices",
        text="What did the cars from Japan cost on average?",
        near="a table of cars without a price",
        nowhere=("cost", "dollars"),
    ),
    Refusal(
        name="passengers",
        text="How many passengers use the airport SEA in a year?",
        near="name and place of SEA",
        nowhere=("passengers",),
    ),
    Refusal(
        name="runways",
        text="How long is the longest runway in Alaska?",
        near="a table of airports without runways",
        nowhere=("runway", "runways"),
    ),
    Refusal(
        name="humidity",
        text="What was the average humidity in Seattle in 2014?",
        near="temperatures, rain and wind",
        nowhere=("humidity",),
    ),
    Refusal(
        name="wages",
        text="What was the average hourly wage in manufacturing in 2010?",
        near="employment in manufacturing without wages",
        nowhere=("hourly wage",),
    ),
    Refusal(
        name="scripts",
        text="Who wrote the scripts that transformed the Seattle temperatures?",
        near="where the scripts are kept, and who wrote the package",
        nowhere=("scripts by", "wrote"),
    ),
    Refusal(
        name="antibiotic",
        text="Which antibiotic was the most effective in Burtin's experiments?",
        near="a description of Burtin's data, which isn't in the workspace",
        nowhere=("penicillin", "most effective"),
    ),
    Refusal(
        name="playfair",
        text="In which town was William Playfair born?",
        near="who Playfair was, with the address of a page about him",
        nowhere=("born", "birth"),
    ),
)
"""What nothing there answers."""
