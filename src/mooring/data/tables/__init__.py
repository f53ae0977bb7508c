"""Anyone's tables (pandas, Polars, Arrow, CSV, Parquet) turned into data sets."""
