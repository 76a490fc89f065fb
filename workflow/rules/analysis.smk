rule compare:
    message:
        "Make the table {wildcards.item}."
    input:
        scores=ask(STUDY.item_scores),
        configs=ask(STUDY.item_configs),
        cases=ask(STUDY.item_cases),
        split=ask(STUDY.item_splits),
        reported=config["reported"],
    output:
        csv="<results>/tables/{item}.csv",
        markdown="<results>/tables/{item}.md",
        latex="<results>/tables/{item}.tex",
        provenance="<results>/tables/{item}.provenance.json",
    log:
        "<results>/logs/compare/{item}.log",
    benchmark:
        "<results>/benchmarks/compare/{item}.tsv"
    priority: 10
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=ask(CODE.table),
        seeds=ask(STUDY.item_seeds),
        shown_in=ask(STUDY.item_shown_in),
        settings=STUDY.comparison_settings(),
        cases=folders("cases"),
        stem=subpath(output.csv, strip_suffix=".csv"),
    wildcard_constraints:
        item="|".join([*PAPER_ITEMS, *COMPARED_ITEMS]),
    shell:
        "labeldropout compare --item {wildcards.item} --scores {input.scores:q}"
        " --configs {input.configs:q} --seeds {params.seeds:q} --shown-in {params.shown_in:q}"
        " --cases {params.cases:q}"
        " --settings {params.settings:q} --split {input.split:q}"
        " --reported {input.reported:q} --output {params.stem:q} > {log:q} 2>&1"


rule claims_table:
    message:
        "Judge the claims of the ledger {wildcards.ledger}."
    input:
        claims=config["claims"],
        scores=ask(STUDY.item_scores, item="ledger"),
        configs=ask(STUDY.item_configs, item="ledger"),
        split=ask(STUDY.item_splits, item="ledger"),
        reported=config["reported"],
        soundness=ask(STUDY.ledger_soundness),
    output:
        csv="<results>/tables/{ledger}.csv",
        markdown="<results>/tables/{ledger}.md",
        latex="<results>/tables/{ledger}.tex",
        provenance="<results>/tables/{ledger}.provenance.json",
    log:
        "<results>/logs/claims_table/{ledger}.log",
    benchmark:
        "<results>/benchmarks/claims_table/{ledger}.tsv"
    priority: 10
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=CODE.ledger(),
        part=ask(STUDY.ledger_part),
        seeds=ask(STUDY.item_seeds, item="ledger"),
        shown_in=ask(STUDY.item_shown_in, item="ledger"),
        settings=STUDY.comparison_settings(),
        stem=subpath(output.csv, strip_suffix=".csv"),
    shell:
        "labeldropout claims --claims {input.claims:q} --part {params.part}"
        " --scores {input.scores:q} --configs {input.configs:q}"
        " --seeds {params.seeds:q} --shown-in {params.shown_in:q}"
        " --settings {params.settings:q} --split {input.split:q}"
        " --reported {input.reported:q} --soundness {input.soundness:q} --output {params.stem:q} > {log:q} 2>&1"


rule summarise_histories:
    message:
        "Join the histories of all trainings in one table."
    input:
        histories=STUDY.of_trainings("history.csv"),
    output:
        table="<results>/tables/training_curves.csv",
        provenance="<results>/tables/training_curves.provenance.json",
    log:
        "<results>/logs/summarise_histories/log.log",
    priority: 10
    localrule: True
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=fingerprint("analysis.summarise:join_histories"),
        simulated=STUDY.study_simulated(),
        real=STUDY.real,
    shell:
        "labeldropout summarise histories --histories {input.histories:q}"
        " --simulated {params.simulated} --real {params.real:q} --output {output.table:q} > {log:q} 2>&1"


rule soundness:
    message:
        "Judge whether every training of the study came to its end."
    input:
        histories=STUDY.of_trainings("history.csv"),
        configs=expand("<results>/models/{model}/config.json", model=STUDY.study_models),
    output:
        csv="<results>/tables/soundness.csv",
        markdown="<results>/tables/soundness.md",
        latex="<results>/tables/soundness.tex",
        provenance="<results>/tables/soundness.provenance.json",
    log:
        "<results>/logs/soundness/log.log",
    priority: 10
    localrule: True
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=fingerprint("analysis.soundness:write_soundness"),
        severity=config["severity"],
        simulated=STUDY.study_simulated(),
        stem=subpath(output.csv, strip_suffix=".csv"),
    shell:
        "labeldropout soundness --histories {input.histories:q} --configs {input.configs:q}"
        " --severity {params.severity} --simulated {params.simulated} --output {params.stem:q}"
        " > {log:q} 2>&1"


rule soundness_instrument:
    message:
        "Judge whether every training of the list came to its end."
    input:
        histories=STUDY.of_all_trainings("history.csv"),
        configs=expand("<results>/models/{model}/config.json", model=STUDY.experiments),
    output:
        csv="<results>/tables/soundness_instrument.csv",
        markdown="<results>/tables/soundness_instrument.md",
        latex="<results>/tables/soundness_instrument.tex",
        provenance="<results>/tables/soundness_instrument.provenance.json",
    log:
        "<results>/logs/soundness_instrument/log.log",
    priority: 10
    localrule: True
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=fingerprint("analysis.soundness:write_soundness"),
        severity=config["severity"],
        simulated=STUDY.study_simulated(),
        stem=subpath(output.csv, strip_suffix=".csv"),
    shell:
        "labeldropout soundness --histories {input.histories:q} --configs {input.configs:q}"
        " --severity {params.severity} --simulated {params.simulated} --output {params.stem:q}"
        " > {log:q} 2>&1"


rule summarise_tables:
    message:
        "Collect the main numbers in one small file."
    input:
        tables=expand("<results>/tables/{item}.csv", item=STUDY.summarised),
        selected=ask(STUDY.selected),
    output:
        summary="<results>/tables/summary.json",
        provenance="<results>/tables/summary.provenance.json",
    log:
        "<results>/logs/summarise_tables/log.log",
    localrule: True
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=fingerprint("analysis.summarise:main_numbers"),
        simulated=STUDY.study_simulated(),
    shell:
        "labeldropout summarise tables --tables {input.tables:q} --selected {input.selected:q}"
        " --simulated {params.simulated} --output {output.summary:q} > {log:q} 2>&1"


rule long_short_table:
    message:
        "Put this study's models beside the same ones of the longer study."
    input:
        short="<results>/tables/training_length.csv",
        long=ask(OTHERS.lengths),
    output:
        csv="<results>/tables/long_short.csv",
        markdown="<results>/tables/long_short.md",
        latex="<results>/tables/long_short.tex",
        provenance="<results>/tables/long_short.provenance.json",
    log:
        "<results>/logs/long_short_table/log.log",
    localrule: True
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=fingerprint("analysis.lengths:write_lengths"),
        simulated=STUDY.study_simulated(),
        stem=subpath(output.csv, strip_suffix=".csv"),
    shell:
        "labeldropout long-short --short {input.short:q} --long {input.long:q}"
        " --simulated {params.simulated} --output {params.stem:q} > {log:q} 2>&1"


rule compare_machines:
    message:
        "Hold models of this study against the same ones trained under another instruction set."
    input:
        scores=ask(OTHERS.own_scores),
        claims="<results>/tables/claims.csv",
        other_scores=ask(OTHERS.scores),
        other_claims=ask(OTHERS.ledger),
    output:
        csv="<results>/tables/machines.csv",
        markdown="<results>/tables/machines.md",
        verdicts="<results>/tables/machines_verdicts.csv",
        provenance="<results>/tables/machines.provenance.json",
    log:
        "<results>/logs/compare_machines/log.log",
    localrule: True
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        code=fingerprint("analysis.compare_machines:compare_machines"),
        scores=folders("scores"),
        other_scores=folders("other_scores"),
        benchmark=STUDY.searched,
        settings=STUDY.comparison_settings(),
        stem=subpath(output.csv, strip_suffix=".csv"),
    shell:
        "labeldropout compare-machines --scores {params.scores[0]:q} {params.other_scores[0]:q}"
        " --fully-labelled {params.benchmark} --claims {input.claims:q} {input.other_claims:q}"
        " --settings {params.settings:q} --output {params.stem:q} > {log:q} 2>&1"


rule biomarkers_measure:
    message:
        "Read volumes and ejection fractions off the masks of {wildcards.model}."
    input:
        predictions="<results>/predictions/{model}.npz",
        cases=ask(STUDY.test_cases),
        truth=ask(STUDY.true_masks),
        hearts=ask(STUDY.true_hearts),
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
        code=fingerprint("analysis.biomarkers.measure:measure_model"),
        structures=ask(STUDY.segmented_structures),
        cases=folders("cases"),
        truth=flag("--truth", folders("truth")),
        simulated=ask(STUDY.model_simulated),
    shell:
        "labeldropout biomarkers measure --model {wildcards.model}"
        " --structures {params.structures:q} --predictions {input.predictions:q}"
        " --cases {params.cases:q} {params.truth:q} --simulated {params.simulated}"
        " --output {output.table:q} > {log:q} 2>&1"


rule biomarkers_agree:
    message:
        "Compare predicted biomarkers with reference and truth."
    input:
        measured=expand("<results>/biomarkers/{model}.csv", model=STUDY.biomarker_models),
    output:
        csv="<results>/tables/biomarkers.csv",
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
        code=fingerprint("analysis.biomarkers.agree:write_agreement"),
        simulated=STUDY.study_simulated(),
        stem=subpath(output.csv, strip_suffix=".csv"),
    shell:
        "labeldropout biomarkers agree --measured {input.measured:q}"
        " --simulated {params.simulated} --output {params.stem:q} > {log:q} 2>&1"


rule probe_ask:
    message:
        "Tell the domain from the answers of {wildcards.model}."
    input:
        weights=ask(STUDY.trained_seeds),
        prepared=ask(STUDY.test_data),
        known=ask(STUDY.known_structures),
        split=ask(STUDY.test_splits),
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
        code=ask(CODE.probe),
        prepared=folders("prepared"),
        known=flag("--further", folders("known")),
        settings=ask(STUDY.probe_settings),
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
        probes=expand("<results>/probes/{model}.csv", model=STUDY.probed_models),
    output:
        csv="<results>/tables/shortcut.csv",
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
        code=fingerprint("analysis.shortcut.table:write_probes"),
        simulated=STUDY.study_simulated(),
        stem=subpath(output.csv, strip_suffix=".csv"),
    shell:
        "labeldropout probe join --probes {input.probes:q}"
        " --simulated {params.simulated} --output {params.stem:q} > {log:q} 2>&1"


rule tables:
    message:
        "Every table of the study."
    input:
        rules.grid.input,
        expand("<results>/tables/{item}.csv", item=STUDY.shown),
        "<results>/tables/summary.json",
        "<results>/tables/training_curves.csv",
        "<results>/tables/soundness.csv",
        "<results>/tables/claims.csv",


rule tests:
    message:
        "The paper's tests, all in one table."
    input:
        "<results>/tables/tests.csv",
        "<results>/tables/tests.md",
        "<results>/tables/tests.tex",


rule training_length:
    message:
        "What the models of the longer study reach in this one."
    input:
        "<results>/tables/training_length.csv",


rule tests_instrument:
    message:
        "The tests of our own experiments, all in one table."
    input:
        "<results>/tables/tests_instrument.csv",


rule cross_domain:
    message:
        "Experiment 1 beside published losses across domains."
    input:
        "<results>/tables/cross_domain.csv",
        "<results>/tables/cross_domain.md",
        "<results>/tables/cross_domain.tex",


rule table_1:
    message:
        "Table 1."
    input:
        "<results>/tables/table_1.csv",
        "<results>/tables/table_1.md",
        "<results>/tables/table_1.tex",


rule table_2:
    message:
        "Table 2."
    input:
        "<results>/tables/table_2.csv",
        "<results>/tables/table_2.md",
        "<results>/tables/table_2.tex",
