"""What models learn from and forecast with.

=============  =====================================================================================
records        :class:`BasinRecords`: weather, flow and attributes of basins, day by day
canonical      records out of data sets in canonical form, as data-ingest's artifacts hold them
files          records straight from CAMELS and East River files
generated      made-up basins with a known model
splits         years, folds of basins x years, basins spread over the country
scaling        scales from training days and basins alone
donors, noise  forecast weather: perfect, noised, cut short, archived, none, or a mixture
store          archives of real forecasts by issue time and lead; `reforecasts` fills them
windows        samples for models, batch by batch; `tables`, `memory`, `gather` are its parts
=============  =====================================================================================
"""
