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


rule claims_instrument:
    message:
        "The ledger of the claims that our own experiments test."
    input:
        "<results>/tables/claims_instrument.csv",
        "<results>/figures/claims_instrument.svg",
        "<results>/figures/claims_instrument.png",


rule biomarkers_measure:
    message:
        "Read volumes and ejection fractions off the masks of {wildcards.model}."
    input:
        predictions="<results>/predictions/{model}.npz",
        cases=test_cases,
        hearts=true_hearts,
    output:
        table="<results>/biomarkers/{model}.csv",
    log:
        "<results>/logs/biomarkers_measure/{model}.log",
    benchmark:
        "<results>/benchmarks/biomarkers_measure/{model}.tsv"
    priority: 15
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=fingerprint("measuring:measure_model"),
        structures=segmented_structures,
        cases=folders("cases"),
        hearts=hearts_flag,
        simulated=model_simulated,
    shell:
        "labeldropout biomarkers measure --model {wildcards.model}"
        " --structures {params.structures:q} --predictions {input.predictions:q}"
        " --cases {params.cases:q} {params.hearts:q} --simulated {params.simulated}"
        " --output {output.table:q} > {log:q} 2>&1"


rule biomarkers_agree:
    message:
        "Compare predicted biomarkers with reference and truth."
    input:
        measured=expand("<results>/biomarkers/{model}.csv", model=BIOMARKER_MODELS),
    output:
        csv=report(
            "<results>/tables/biomarkers.csv",
            caption="../report/tables.rst",
            category="Tables",
            labels={"item": "biomarkers", "format": "csv"},
        ),
        markdown="<results>/tables/biomarkers.md",
        latex="<results>/tables/biomarkers.tex",
        patients="<results>/tables/biomarkers_patients.csv",
        provenance="<results>/tables/biomarkers.provenance.json",
    log:
        "<results>/logs/biomarkers_agree/log.log",
    benchmark:
        "<results>/benchmarks/biomarkers_agree/all.tsv"
    priority: 10
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=fingerprint("measuring:write_agreement"),
        simulated=figure_simulated,
        stem=subpath(output.csv, strip_suffix=".csv"),
    shell:
        "labeldropout biomarkers agree --measured {input.measured:q}"
        " --simulated {params.simulated} --output {params.stem:q} > {log:q} 2>&1"


rule biomarkers:
    message:
        "Volumes, ejection fractions and their agreement."
    input:
        "<results>/tables/biomarkers.csv",
        "<results>/figures/biomarkers.svg",
        "<results>/figures/biomarkers.png",


rule probe_ask:
    message:
        "Tell the domain from the answers of {wildcards.model}."
    input:
        weights=trained_seeds,
        prepared=test_data,
        known=known_structures,
        split="<results>/splits/patients.csv",
    output:
        table="<results>/probes/{model}.csv",
    log:
        "<results>/logs/probe_ask/{model}.log",
    benchmark:
        "<results>/benchmarks/probe_ask/{model}.tsv"
    priority: 15
    threads: 1
    resources:
        gpu=1,
        trainings_per_gpu=1,
        mem_mb=training_memory_mb,
        runtime=120,
    params:
        code=probe_code,
        prepared=folders("prepared"),
        known=known_flag,
        settings=probe_settings,
        device=config["device"],
    shell:
        "labeldropout probe ask --weights {input.weights:q} --prepared {params.prepared:q}"
        " {params.known:q} --split {input.split:q} --settings {params.settings:q}"
        " --device {params.device} --gpus {resources.gpu}"
        " --trainings-per-gpu {resources.trainings_per_gpu} --threads {threads}"
        " --output {output.table:q} > {log:q} 2>&1"


rule probe_join:
    message:
        "Put the probes of all models into one table."
    input:
        probes=expand("<results>/probes/{model}.csv", model=PROBED_MODELS),
    output:
        csv=report(
            "<results>/tables/shortcut.csv",
            caption="../report/tables.rst",
            category="Tables",
            labels={"item": "shortcut", "format": "csv"},
        ),
        markdown="<results>/tables/shortcut.md",
        latex="<results>/tables/shortcut.tex",
        provenance="<results>/tables/shortcut.provenance.json",
    log:
        "<results>/logs/probe_join/log.log",
    priority: 10
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=fingerprint("probing:write_probes"),
        simulated=figure_simulated,
        stem=subpath(output.csv, strip_suffix=".csv"),
    shell:
        "labeldropout probe join --probes {input.probes:q}"
        " --simulated {params.simulated} --output {params.stem:q} > {log:q} 2>&1"


rule shortcut:
    message:
        "Experiment 9: how well the domain can be told from what a model answers."
    input:
        "<results>/tables/shortcut.csv",
        "<results>/figures/shortcut.svg",
        "<results>/figures/shortcut.png",


rule instrument:
    message:
        "Everything beyond the paper: controls, dose-response, losses, architectures, label sets, biomarkers, shortcut."
    input:
        expand("<results>/tables/{item}.csv", item=INSTRUMENT_TABLES),
        expand("<results>/figures/{item}.svg", item=INSTRUMENT_FIGURES),
        rules.claims_instrument.input,
        rules.biomarkers.input if BIOMARKER_MODELS else [],
        rules.shortcut.input if PROBED_MODELS else [],
