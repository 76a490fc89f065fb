rule controls:
    message:
        "Experiment 5: what would settle the explanation."
    input:
        "<results>/tables/controls.csv",
        "<results>/figures/controls.svg",
        "<results>/figures/controls.png",


rule dose_response:
    message:
        "Experiment 6: the missing structure against the shift between domains."
    input:
        "<results>/tables/dose_response.csv",
        "<results>/figures/dose_response.svg",
        "<results>/figures/dose_response.png",


rule losses:
    message:
        "Experiment 7: the losses for partial labels, with and without label dropout."
    input:
        "<results>/tables/losses.csv",
        "<results>/figures/losses.svg",
        "<results>/figures/losses.png",


rule architectures:
    message:
        "Experiment 8: label dropout in other networks."
    input:
        "<results>/tables/architectures.csv",
        "<results>/figures/architectures.svg",
        "<results>/figures/architectures.png",


rule label_sets:
    message:
        "Experiment 4b again, with the other cures for several missing structures."
    input:
        "<results>/tables/label_sets.csv",
        "<results>/figures/label_sets.svg",
        "<results>/figures/label_sets.png",


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
        expand("<results>/figures/{item}.svg", item=INSTRUMENT_FIGURES),
