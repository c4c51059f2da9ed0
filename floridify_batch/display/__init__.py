"""The display: everything that is printed, drawn or written for people and programs; it decides nothing.

`output` chooses among the live screen (`live_screen`, `live_region`, `keyboard`), log lines (`log_output`) and JSON
(`json_output`); all follow a run's events through `view`. `table` has the tables of batches and failures, `cost_table`
those of costs; `estimate_panel`, `summary` and `entry_page` print one thing each. They use the building blocks in
`text` and print through `console`, which sanitises. `report`, `chart` and `report_page` make the HTML report.
"""
