"""Questions about what the sample workspace's documents say."""

from __future__ import annotations

from motet.server.evaluation.crew_examples.question import DocumentQuestion, Said

_CATALOGUE = (
    (
        "airports-site",
        "airports",
        "On which site was the list of airports compiled and published?",
        "a subset of the data compiled and published at http://ourairports.com/data/, and is in the public domain",
        ("ourairports",),
    ),
    (
        "anscombe-who",
        "anscombe",
        "Who constructed the quartet whose summary statistics are identical?",
        "Anscombe's Quartet is a famous dataset constructed by Francis Anscombe",
        ("Francis Anscombe",),
    ),
    (
        "anscombe-journal",
        "anscombe",
        "In which journal did 'Graphs in Statistical Analysis' appear?",
        "'Graphs in Statistical Analysis'. American Statistician. 27 (1): 17-21",
        ("American Statistician",),
    ),
    (
        "barley-when",
        "barley",
        "In which year did Immer originally publish the barley data?",
        "It was originally published by Immer in 1934",
        ("1934",),
    ),
    (
        "barley-what",
        "barley",
        "What does the barley data set contain?",
        "This dataset contains crop yields over different regions and different years in the 1930s",
        ("crop yields",),
    ),
    (
        "barley-edinburgh",
        "barley",
        "Which publisher brought out Fisher's book on the design of experiments?",
        "The Design of Experiments. 4th edition. Edinburgh: Oliver and Boyd",
        ("Oliver and Boyd",),
    ),
    (
        "burtin-who",
        "burtin",
        "Who gathered the data about the effectiveness of antibiotics?",
        "a famous dataset gathered by Will Burtin to explore the effectiveness of various antibiotics",
        ("Burtin",),
    ),
    (
        "burtin-when",
        "burtin",
        "When was the data about antibiotics first published?",
        "The data was first published in 1951",
        ("1951",),
    ),
    (
        "burtin-licence",
        "burtin",
        "Under which licence is the antibiotics data published on protovis?",
        "comes from https://github.com/mbostock/protovis, and is published there under a BSD license",
        ("BSD",),
    ),
    (
        "cars-who",
        "cars",
        "Who originally published the data about cars?",
        "This dataset was originally published by Donoho et al (1982)",
        ("Donoho",),
    ),
    (
        "crimea-who",
        "crimea",
        "Who first published the casualty counts of the Crimean war?",
        "It was originally published in 1858 by Florence Nightingale",
        ("Nightingale",),
    ),
    (
        "crimea-when",
        "crimea",
        "In which year were the casualty counts of the Crimean war first published?",
        "It was originally published in 1858 by Florence Nightingale",
        ("1858",),
    ),
    (
        "crimea-charts",
        "crimea",
        "What are Florence Nightingale's famous charts of the Crimean war called?",
        "in connection with her famous 'Coxcomb' charts",
        ("Coxcomb",),
    ),
    (
        "driving-article",
        "driving",
        "Which New York Times article is the data about miles driven based on?",
        "It is based on the May 2, 2010 New York Times article 'Driving Shifts Into Reverse'",
        ("Driving Shifts Into Reverse",),
    ),
    (
        "driving-years",
        "driving",
        "Which years does the data about miles driven per capita and gas prices span?",
        "miles driven per capita along with gas prices annually from 1956 to 2010",
        ("1956", "2010"),
    ),
    (
        "driving-author",
        "driving",
        "Who wrote the article 'Driving Shifts Into Reverse'?",
        "Fairfield, Hannah. 'Driving Shifts Into Reverse.'",
        ("Fairfield",),
    ),
    (
        "iowa-day",
        "iowa-electricity",
        "On what day was the data about Iowa's electricity downloaded?",
        "U.S. Energy Information Administration [1] and downloaded on May 6, 2018",
        (("May 6, 2018", "6 May 2018", "6th of May 2018", "2018-05-06"),),
    ),
    (
        "iowa-who",
        "iowa-electricity",
        "Which administration published the data on Iowa's electricity?",
        "published in the public domain by the U.S. Energy Information Administration",
        ("Energy Information Administration",),
    ),
    (
        "iowa-unit",
        "iowa-electricity",
        "In which unit is Iowa's annual net generation of electricity given?",
        "the annual net generation of electricity in the state by source in thousand megawatthours",
        ("megawatthours",),
    ),
    (
        "iris-paper",
        "iris",
        "What is the title of Fisher's paper on the iris flowers?",
        "'The use of multiple measurements in taxonomic problems'. Annals of Eugenics",
        ("use of multiple measurements in taxonomic problems",),
    ),
    (
        "riots-days",
        "la-riots",
        "For how many days did the riots ravage Los Angeles?",
        "ravaged Los Angeles for five days starting on April 29, 1992",
        (("five days", "5 days"),),
    ),
    (
        "riots-who",
        "la-riots",
        "Who compiled the data about the deaths in the Los Angeles riots?",
        "It was compiled and published by the Los Angeles Times Data Desk",
        ("Los Angeles Times",),
    ),
    (
        "ohlc-index",
        "ohlc",
        "Of which index does the data set ohlc hold the performance?",
        "the performance of the Chicago Board Options Exchange Volatility Index in the summer of 2009",
        ("Volatility Index",),
    ),
    (
        "ohlc-when",
        "ohlc",
        "Which summer does the data about the Volatility Index cover?",
        "Volatility Index in the summer of 2009",
        ("2009",),
    ),
    (
        "temps-seattle",
        "seattle-temps",
        "For which year does the catalogue describe hourly temperatures in Seattle?",
        "hourly temperatures in Seattle during the full year of 2010",
        ("2010",),
    ),
    (
        "weather-source",
        "seattle-weather",
        "From whose data is the daily weather record of Seattle drawn?",
        "recorded daily in Seattle from 2012 to 2015. The dataset is drawn from public-domain NOAA data",
        ("NOAA",),
    ),
    (
        "temps-sf",
        "sf-temps",
        "How often were the temperatures in San Francisco recorded?",
        "This dataset contains hourly temperatures in San Francisco",
        (("hourly", "every hour", "each hour"),),
    ),
    (
        "stocks-often",
        "stocks",
        "How often, says the catalogue, were the closing prices of the stocks taken?",
        "Daily closing stock prices for AAPL, AMZN, GOOG, IBM, and MSFT",
        (("daily", "every day", "each day"),),
    ),
    (
        "employment-day",
        "us-employment",
        "On what day were the data about US employment downloaded?",
        "The data were downloaded on Nov. 11, 2018",
        (("Nov. 11, 2018", "November 11, 2018", "11 November 2018", "11th of November 2018", "2018-11-11"),),
    ),
    (
        "employment-sectors",
        "us-employment",
        "How many supersectors does the bureau track in the employment data?",
        "Totals are included for the 22 'supersectors'",
        (("22", "twenty-two"),),
    ),
    (
        "employment-nonfarm",
        "us-employment",
        "What do economists and journalists use the nonfarm total for?",
        "typically used by economists and journalists as a stand-in for the country's employment total",
        (("stand-in", "stands in", "proxy"),),
    ),
    (
        "employment-program",
        "us-employment",
        "Which program at the Bureau of Labor Statistics tracked the downturn in employment?",
        "tracked each month by the Current Employment Statistics [1] program at the U.S. Bureau of Labor Statistics",
        ("Current Employment Statistics",),
    ),
    (
        "wheat-who",
        "wheat",
        "Which Scottish engineer published the chart on the price of wheat?",
        "William Playfair[1], a Scottish engineer who is often credited as the founder of statistical graphics",
        ("Playfair",),
    ),
    (
        "wheat-years",
        "wheat",
        "How many years of wheat prices does Playfair's chart plot?",
        "It plots 250 years of prices alongside weekly wages and the reigning monarch",
        ("250",),
    ),
    (
        "wheat-when",
        "wheat",
        "In which year did Playfair write his letter to Parliament?",
        "In an 1822 letter to Parliament, William Playfair",
        ("1822",),
    ),
    (
        "wheat-electronic",
        "wheat",
        "Who created the electronic data set of wheat prices?",
        "The electronic dataset was created by Mike Bostock and released into the public domain",
        ("Bostock",),
    ),
)
_README = (
    (
        "python",
        "installation",
        "Which versions of Python is vega_datasets compatible with?",
        "is compatible with Python 3.5 or newer",
        ("3.5",),
    ),
    (
        "install",
        "installation",
        "With which command is vega_datasets installed?",
        "$ pip install vega_datasets",
        ("pip install",),
    ),
    (
        "local",
        "available",
        "Which object lists the data sets that are bundled with the package?",
        "use the ``local_data`` object instead",
        ("local_data",),
    ),
    (
        "iris-version",
        "usage",
        "Which version of the data sets does the address of the iris data name?",
        "https://cdn.jsdelivr.net/npm/vega-datasets@v1.29.0/data/iris.json",
        (("1.29.0", "v1.29.0"),),
    ),
    (
        "dataframe",
        "goals",
        "In what form does the package return its results?",
        "return the results in the form of a Pandas dataframe",
        (("dataframe", "data frame"),),
    ),
    (
        "fallback",
        "goals",
        "How does the package reach the data sets that are not bundled with it?",
        "falls back to using HTTP requests for the others",
        ("HTTP",),
    ),
    (
        "property",
        "information",
        "Which property gives more information about a data set?",
        "you can use the ``description`` property",
        ("description",),
    ),
)
_LICENCE = (
    (
        "holder",
        "licence",
        "Who holds the copyright of the package?",
        "Copyright (c) 2018 Jake Vanderplas Permission is hereby granted",
        ("Vanderplas",),
    ),
    (
        "fee",
        "licence",
        "What does it cost to get the permission of the licence?",
        "Permission is hereby granted, free of charge",
        (("free of charge", "nothing"),),
    ),
    (
        "warranty",
        "licence",
        "In what condition is the software provided, says the licence?",
        'THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND',
        ("as is",),
    ),
)
_SOURCES = (
    (
        "stocks-changed",
        "stocks.sqlite",
        "What was changed in the file with the stock prices when it was taken from the package?",
        "CSV to SQLite; dates written as 2000-01-01 instead of Jan 1 2000",
        ("SQLite",),
    ),
    (
        "employment-changed",
        "us_employment.parquet",
        "Into which format was the file with the employment data changed?",
        "Changed: CSV to Parquet",
        ("Parquet",),
    ),
    (
        "cars-changed",
        "cars.jsonl",
        "What was the JSON array of cars changed to?",
        "a JSON array to JSON lines",
        ("JSON lines",),
    ),
    (
        "described",
        "catalogue.html",
        "How many of the package's data sets does the catalogue describe?",
        "What 18 of the package's data sets hold",
        (("18", "eighteen"),),
    ),
    (
        "badges",
        "README.md",
        "What was left out of the package's own introduction?",
        "the headers before the text, and the images of build states, are left out",
        (("headers",), ("images",)),
    ),
)

_Told = tuple[str, str, str, str, tuple[Said, ...]]


def _questions(file: str, prefix: str, told: tuple[_Told, ...]) -> tuple[DocumentQuestion, ...]:
    return tuple(
        DocumentQuestion(name=f"{prefix}{name}", file=file, section=section, text=text, quote=quote, says=says)
        for name, section, text, quote, says in told
    )


QUESTIONS = (
    *_questions("catalogue.html", "", _CATALOGUE),
    *_questions("README.md", "readme-", _README),
    *_questions("LICENSE.txt", "licence-", _LICENCE),
    *_questions("SOURCES.md", "sources-", _SOURCES),
)
"""What the documents answer."""
