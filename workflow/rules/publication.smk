rule figures_item:
    message:
        "Draw {wildcards.item}."
    input:
        tables=ask(STUDY.figure_tables),
        cases=ask(PICTURES.figure_cases),
        predictions=ask(PICTURES.figure_predictions),
    output:
        svg="<results>/figures/{item}.svg",
        png="<results>/figures/{item}.png",
        provenance="<results>/figures/{item}.provenance.json",
    log:
        "<results>/logs/figures_item/{item}.log",
    benchmark:
        "<results>/benchmarks/figures_item/{item}.tsv"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=ask(CODE.figure),
        simulated=STUDY.study_simulated(),
        structures=as_json(config["structures"]),
        hidden=ask(STUDY.hidden_in_item),
        cases=folders("cases"),
        stem=subpath(output.svg, strip_suffix=".svg"),
    shell:
        "labeldropout figures --item {wildcards.item} --table {input.tables:q}"
        " --cases {params.cases:q} --predictions {input.predictions:q}"
        " --simulated {params.simulated} --structures {params.structures:q}"
        " {params.hidden:q} --output {params.stem:q} > {log:q} 2>&1"


rule figures_local:
    message:
        "Draw {wildcards.item} with its pictures, for this machine alone."
    input:
        tables=ask(STUDY.figure_tables),
        cases=ask(PICTURES.local_cases),
        predictions=ask(PICTURES.local_predictions),
    output:
        svg="<results>/local/{item}.svg",
        png="<results>/local/{item}.png",
    log:
        "<results>/logs/figures_local/{item}.log",
    benchmark:
        "<results>/benchmarks/figures_local/{item}.tsv"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=ask(CODE.figure),
        simulated=STUDY.study_simulated(),
        structures=as_json(config["structures"]),
        hidden=ask(STUDY.hidden_in_item),
        cases=folders("cases"),
        stem=subpath(output.svg, strip_suffix=".svg"),
    shell:
        "labeldropout figures --item {wildcards.item} --table {input.tables:q}"
        " --cases {params.cases:q} --predictions {input.predictions:q}"
        " --simulated {params.simulated} --structures {params.structures:q}"
        " {params.hidden:q} --output {params.stem:q} > {log:q} 2>&1"


rule figures_with_pictures:
    message:
        "The figures that show pictures of the data, in a folder that git ignores."
    input:
        expand("<results>/local/{item}.svg", item=PICTURES.local_figures),


rule figure_1:
    message:
        "Figure 1."
    input:
        "<results>/figures/figure_1.svg",
        "<results>/figures/figure_1.png",


rule figure_2:
    message:
        "Figure 2."
    input:
        "<results>/figures/figure_2.svg",
        "<results>/figures/figure_2.png",


rule figure_3:
    message:
        "Figure 3."
    input:
        "<results>/figures/figure_3.svg",
        "<results>/figures/figure_3.png",


rule figure_4:
    message:
        "Figure 4."
    input:
        "<results>/figures/figure_4.svg",
        "<results>/figures/figure_4.png",


rule figure_5:
    message:
        "Figure 5."
    input:
        "<results>/figures/figure_5.svg",
        "<results>/figures/figure_5.png",


rule supplementary_figure_1:
    message:
        "Supplementary Figure 1."
    input:
        "<results>/figures/supplementary_figure_1.svg",
        "<results>/figures/supplementary_figure_1.png",


rule training_curves:
    message:
        "The training curves of every model."
    input:
        "<results>/figures/training_curves.svg",
        "<results>/figures/training_curves.png",


rule claims:
    message:
        "The ledger of the paper's claims."
    input:
        "<results>/tables/claims.csv",
        "<results>/figures/claims.svg",
        "<results>/figures/claims.png",


rule figures:
    message:
        "Every figure of the study."
    input:
        expand("<results>/figures/{item}.svg", item=STUDY.shown_figures),


rule controls:
    message:
        "Experiment 5: what would settle the explanation."
    input:
        "<results>/tables/controls.csv",
        "<results>/figures/controls.svg",
        "<results>/figures/controls.png",


rule decomposition:
    message:
        "Experiment 5: what the missing labels cost, and what the background in their place."
    input:
        "<results>/tables/decomposition.csv",
        "<results>/figures/decomposition.svg",
        "<results>/figures/decomposition.png",


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


rule augmentation:
    message:
        "Experiment 10: how far augmentation stands in for label dropout."
    input:
        "<results>/tables/augmentation.csv",
        "<results>/figures/augmentation.svg",
        "<results>/figures/augmentation.png",


rule remedies:
    message:
        "Every remedy for hidden labels, wherever they are hidden."
    input:
        "<results>/tables/remedies.csv",
        "<results>/figures/remedies.svg",
        "<results>/figures/remedies.png",


rule long_short:
    message:
        "Does a shortcut grow or fade with training? This study beside the longer one."
    input:
        "<results>/tables/long_short.csv",
        "<results>/figures/long_short.svg",
        "<results>/figures/long_short.png",


rule label_sets:
    message:
        "Experiment 4b again, with the other cures for several missing structures."
    input:
        "<results>/tables/label_sets.csv",
        "<results>/figures/label_sets.svg",
        "<results>/figures/label_sets.png",


rule machines:
    message:
        "Models of this study beside the same ones under another instruction set."
    input:
        "<results>/tables/machines.csv",


rule claims_instrument:
    message:
        "The ledger of the claims that our own experiments test."
    input:
        "<results>/tables/claims_instrument.csv",
        "<results>/figures/claims_instrument.svg",
        "<results>/figures/claims_instrument.png",


rule biomarkers:
    message:
        "Volumes, ejection fractions and their agreement."
    input:
        "<results>/tables/biomarkers.csv",
        "<results>/figures/biomarkers.svg",
        "<results>/figures/biomarkers.png",


rule shortcut:
    message:
        "Experiment 9: how well the domain can be told from what a model answers."
    input:
        "<results>/tables/shortcut.csv",
        "<results>/figures/shortcut.svg",
        "<results>/figures/shortcut.png",


rule released:
    message:
        "The model that comes with the package, trained and scored; `labeldropout release` puts it there."
    input:
        "<results>/tables/released.csv",
        "<results>/tables/table_1.csv",


rule run_record:
    message:
        "Write down what the study ran on, and how long its rules took."
    input:
        models=rules.models.input,
        tables=rules.tables.input,
        figures=rules.figures.input,
    output:
        record="<results>/run_record.json",
    log:
        "<results>/logs/run_record/log.log",
    localrule: True
    params:
        code=fingerprint("running.run_record:run_record"),
        study=config["study"],
        structures=as_json(config["structures"]),
        benchmarks=f"{STUDY.results}/benchmarks",
    shell:
        "labeldropout run-record --study {params.study:q} --structures {params.structures:q}"
        " --benchmarks {params.benchmarks:q}"
        " --output {output.record:q} > {log:q} 2>&1"


rule instrument:
    message:
        "Everything beyond the paper: our own experiments, the claims that they test, biomarkers and the probe."
    input:
        expand("<results>/tables/{item}.csv", item=STUDY.instrument_tables),
        expand("<results>/figures/{item}.svg", item=STUDY.instrument_figures),
        "<results>/tables/soundness_instrument.csv",
        rules.claims_instrument.input,
        rules.biomarkers.input if STUDY.biomarker_models else [],
        rules.shortcut.input if STUDY.probed_models else [],
