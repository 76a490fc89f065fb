rule annotation_kit_export:
    message:
        "Export test images for an observer to draw on."
    input:
        cases=expand("<results>/cases/{dataset}/cases.csv", dataset=config["kit"]["dataset"]),
        split="<results>/splits/patients.csv",
    output:
        kit="<results>/annotation/kit/kit.csv",
    log:
        "<results>/logs/annotation_kit_export/log.log",
    priority: 40
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=fingerprint("annotation:export_kit"),
        store=folders("cases"),
        folder=subpath(output.kit, parent=True),
        images=config["kit"]["images"],
        seed=config["seed"],
    shell:
        "labeldropout annotation-kit export --cases {params.store:q} --split {input.split:q}"
        " --images {params.images} --seed {params.seed}"
        " --output {params.folder:q} > {log:q} 2>&1"


rule observe:
    message:
        "Let the simulated observer draw on the exported images."
    input:
        kit="<results>/annotation/kit/kit.csv",
        truth=expand("<results>/truth/{dataset}/cases.csv", dataset=config["kit"]["dataset"]),
    output:
        drawn="<results>/annotation/drawn/drawn.csv",
    log:
        "<results>/logs/observe/log.log",
    priority: 40
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=fingerprint("annotation:observe"),
        kit=subpath(input.kit, parent=True),
        truth=folders("truth"),
        folder=subpath(output.drawn, parent=True),
        seed=config["seed"],
    shell:
        "labeldropout observe --kit {params.kit:q} --truth {params.truth:q}"
        " --drawn {params.folder:q} --seed {params.seed} > {log:q} 2>&1"


rule annotation_kit_import:
    message:
        "Read the drawn masks into a store of cases."
    input:
        cases=expand("<results>/cases/{dataset}/cases.csv", dataset=config["kit"]["dataset"]),
        kit="<results>/annotation/kit/kit.csv",
        drawn=drawn_masks,
    output:
        cases="<results>/annotation/observed/cases.csv",
        images="<results>/annotation/observed/images.u8",
        targets="<results>/annotation/observed/targets.u8",
    log:
        "<results>/logs/annotation_kit_import/log.log",
    priority: 40
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=fingerprint("annotation:import_kit"),
        store=folders("cases"),
        kit=subpath(input.kit, parent=True),
        drawn=drawn_folder,
        folder=subpath(output.cases, parent=True),
    shell:
        "labeldropout annotation-kit import --cases {params.store:q} --kit {params.kit:q}"
        " --drawn {params.drawn:q} --output {params.folder:q} > {log:q} 2>&1"


rule evaluate:
    message:
        "Predict and score all test sets of {wildcards.model}."
    input:
        weights=trained_seeds,
        cases=test_cases,
        prepared=test_data,
        observed=observed_masks,
        split="<results>/splits/patients.csv",
    output:
        scores="<results>/scores/{model}.csv",
        predictions="<results>/predictions/{model}.npz",
        provenance="<results>/scores/{model}.provenance.json",
    log:
        "<results>/logs/evaluate/{model}.log",
    benchmark:
        "<results>/benchmarks/evaluate/{model}.tsv"
    priority: 20
    threads: 1
    resources:
        gpu=1,
        trainings_per_gpu=1,
        mem_mb=training_memory_mb,
        runtime=240,
    params:
        code=evaluation_code,
        cases=folders("cases"),
        prepared=folders("prepared"),
        observed=observed_flag,
        settings=surface_tolerance(),
        device=config["device"],
    shell:
        "labeldropout evaluate --weights {input.weights:q} --cases {params.cases:q}"
        " --prepared {params.prepared:q} {params.observed:q} --split {input.split:q}"
        " --settings {params.settings:q}"
        " --device {params.device} --gpus {resources.gpu}"
        " --trainings-per-gpu {resources.trainings_per_gpu} --threads {threads}"
        " --scores {output.scores:q} --predictions {output.predictions:q} > {log:q} 2>&1"


rule scores:
    message:
        "Everything that tables and figures are made from: what DVC's stage of the models keeps."
    input:
        rules.models.input,
        rules.grid.input,
        rules.annotation_kit_export.output,
        expand("<results>/scores/{model}.csv", model=STUDY_MODELS),


rule compare:
    message:
        "Make the table {wildcards.item}."
    input:
        scores=item_scores,
        cases=item_cases,
        split="<results>/splits/patients.csv",
        reported=config["reported"],
    output:
        csv=report(
            "<results>/tables/{item}.csv",
            caption="../report/tables.rst",
            category="Tables",
            labels={"item": "{item}", "format": "csv"},
        ),
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
        code=table_code,
        experiments=item_experiments,
        settings=comparison_settings(),
        cases=folders("cases"),
        stem=subpath(output.csv, strip_suffix=".csv"),
    wildcard_constraints:
        item="|".join([*ITEMS, *COMPARED_ITEMS]),
    shell:
        "labeldropout compare --item {wildcards.item} --scores {input.scores:q}"
        " --experiments {params.experiments:q} --cases {params.cases:q}"
        " --settings {params.settings:q} --split {input.split:q}"
        " --reported {input.reported:q} --output {params.stem:q} > {log:q} 2>&1"


rule claims_table:
    message:
        "Judge the claims of the ledger {wildcards.ledger}."
    input:
        claims=config["claims"],
        scores=ledger_scores,
        split="<results>/splits/patients.csv",
        reported=config["reported"],
    output:
        csv=report(
            "<results>/tables/{ledger}.csv",
            caption="../report/claims.rst",
            category="Claims",
            labels={"item": "{ledger}", "format": "csv"},
        ),
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
        code=fingerprint("claims.judging:judge_claims"),
        part=ledger_part,
        experiments=ledger_experiments,
        settings=comparison_settings(),
        stem=subpath(output.csv, strip_suffix=".csv"),
    shell:
        "labeldropout claims --claims {input.claims:q} --part {params.part}"
        " --scores {input.scores:q} --experiments {params.experiments:q}"
        " --settings {params.settings:q} --split {input.split:q}"
        " --reported {input.reported:q} --output {params.stem:q} > {log:q} 2>&1"


rule summarise_histories:
    message:
        "Join the histories of all trainings in one table."
    input:
        histories=[f"<results>/models/{model}/seed-{seed}/history.csv" for model, seed in TRAININGS],
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
        code=fingerprint("summary:join_histories"),
        simulated=figure_simulated,
    shell:
        "labeldropout summarise histories --histories {input.histories:q}"
        " --simulated {params.simulated} --output {output.table:q} > {log:q} 2>&1"


rule summarise_tables:
    message:
        "Collect the main numbers in one small file."
    input:
        tables=expand("<results>/tables/{item}.csv", item=SUMMARISED),
        selected="<results>/grid/selected.json",
    output:
        summary=report(
            "<results>/tables/summary.json",
            caption="../report/summary.rst",
            category="Tables",
            labels={"item": "Main numbers", "format": "json"},
        ),
        provenance="<results>/tables/summary.provenance.json",
    log:
        "<results>/logs/summarise_tables/log.log",
    localrule: True
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=fingerprint("summary:main_numbers"),
        simulated=figure_simulated,
    shell:
        "labeldropout summarise tables --tables {input.tables:q} --selected {input.selected:q}"
        " --simulated {params.simulated} --output {output.summary:q} > {log:q} 2>&1"


rule figures_item:
    message:
        "Draw {wildcards.item}."
    input:
        tables=figure_tables,
        cases=figure_cases,
        predictions=figure_predictions,
    output:
        svg=report(
            "<results>/figures/{item}.svg",
            caption="../report/figures.rst",
            category="Figures",
            labels={"item": "{item}"},
        ),
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
        code=figure_code,
        simulated=figure_simulated,
        cases=folders("cases"),
        stem=subpath(output.svg, strip_suffix=".svg"),
    shell:
        "labeldropout figures --item {wildcards.item} --table {input.tables:q}"
        " --cases {params.cases:q} --predictions {input.predictions:q}"
        " --simulated {params.simulated} --output {params.stem:q} > {log:q} 2>&1"


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


rule tests:
    message:
        "The paper's tests, all in one table."
    input:
        "<results>/tables/tests.csv",
        "<results>/tables/tests.md",
        "<results>/tables/tests.tex",


rule claims:
    message:
        "The ledger of the paper's claims."
    input:
        "<results>/tables/claims.csv",
        "<results>/figures/claims.svg",
        "<results>/figures/claims.png",


rule annotation_kit:
    message:
        "The images on which an observer draws."
    input:
        rules.annotation_kit_export.output,


rule figures:
    message:
        "Every figure of the study."
    input:
        expand("<results>/figures/{item}.svg", item=SHOWN_FIGURES),


rule tables:
    message:
        "Every table of the study."
    input:
        rules.grid.input,
        expand("<results>/tables/{item}.csv", item=SHOWN),
        "<results>/tables/summary.json",
        "<results>/tables/training_curves.csv",
        "<results>/tables/claims.csv",


rule run_record:
    message:
        "Write down what the study ran on, and the hash of every result."
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
        code=fingerprint("provenance:run_record"),
        study=config["study"],
        benchmarks=benchmark_folder(),
    shell:
        "labeldropout run-record --study {params.study:q} --benchmarks {params.benchmarks:q}"
        " --files {input.models:q} {input.tables:q} {input.figures:q}"
        " --output {output.record:q} > {log:q} 2>&1"
