rule controls:
    message:
        "Experiment 5: what would settle the explanation."
    input:
        "<results>/tables/controls.csv",


rule dose_response:
    message:
        "Experiment 6: the missing structure against the shift between domains."
    input:
        "<results>/tables/dose_response.csv",


rule losses:
    message:
        "Experiment 7: the losses for partial labels, with and without label dropout."
    input:
        "<results>/tables/losses.csv",


rule architectures:
    message:
        "Experiment 8: label dropout in other networks."
    input:
        "<results>/tables/architectures.csv",


rule label_sets:
    message:
        "Experiment 4b again, with the other cures for several missing structures."
    input:
        "<results>/tables/label_sets.csv",


rule tests_instrument:
    message:
        "The tests of our own experiments, all in one table."
    input:
        "<results>/tables/tests_instrument.csv",


rule instrument:
    message:
        "Everything beyond the paper: controls, dose-response, losses, architectures, label sets."
    input:
        expand("<results>/tables/{item}.csv", item=INSTRUMENT_TABLES),
