rule resolve_candidate:
    message:
        "Write out every setting of the candidate {wildcards.candidate}."
    output:
        config="<results>/grid/{candidate}/config.json",
    log:
        "<results>/logs/resolve_candidate/{candidate}.log",
    priority: 90
    localrule: True
    params:
        code=CODE.resolver(),
        row=ask(STUDY.model_row),
        settings=ask(STUDY.candidate_settings),
        candidate=ask(STUDY.candidate_values),
    shell:
        "labeldropout resolve --row {params.row:q} --settings {params.settings:q}"
        " --candidate {params.candidate:q} --config {output.config:q} > {log:q} 2>&1"


rule train_candidate:
    message:
        "Train the candidate {wildcards.candidate}, seed {wildcards.seed}."
    input:
        config="<results>/grid/{candidate}/config.json",
        prepared=ask(STUDY.training_data),
        split=ask(STUDY.training_splits),
    output:
        weights=ensure("<results>/grid/{candidate}/seed-{seed}/weights.safetensors", non_empty=True),
        history="<results>/grid/{candidate}/seed-{seed}/history.csv",
        run="<results>/grid/{candidate}/seed-{seed}/run.json",
    log:
        messages="<results>/logs/train_candidate/{candidate}/seed-{seed}.log",
        speed="<results>/benchmarks/train_candidate/{candidate}/seed-{seed}.json",
    benchmark:
        "<results>/benchmarks/train_candidate/{candidate}/seed-{seed}.tsv"
    priority: 90
    threads: 1
    resources:
        gpu=1,
        trainings_per_gpu=1,
        mem_mb=training_memory_mb,
        runtime=1440,
    params:
        code=ask(CODE.trainer),
        device=config["device"],
        prepared=folders("prepared"),
        folder=subpath(output.weights, parent=True),
    shell:
        "labeldropout train --config {input.config:q} --prepared {params.prepared:q}"
        " --split {input.split:q} --seed {wildcards.seed}"
        " --device {params.device} --gpus {resources.gpu}"
        " --trainings-per-gpu {resources.trainings_per_gpu} --threads {threads}"
        " --checkpoints scratch/train"
        " --benchmark {log.speed:q} --output {params.folder:q} > {log.messages:q} 2>&1"


rule select_hyperparameters:
    message:
        "Choose initial learning rate and batch size by validation Dice."
    input:
        configs=expand("<results>/grid/{candidate}/config.json", candidate=STUDY.candidates),
        histories=expand(
            "<results>/grid/{candidate}/seed-{seed}/history.csv",
            candidate=STUDY.trained_candidates,
            seed=config["selection"]["seed"],
        ),
    output:
        selected="<results>/grid/selected.json",
        table="<results>/tables/grid.csv",
        provenance="<results>/tables/grid.provenance.json",
    log:
        "<results>/logs/select_hyperparameters/log.log",
    benchmark:
        "<results>/benchmarks/select_hyperparameters/all.tsv"
    priority: 90
    localrule: True
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=fingerprint("learning.select_hyperparameters:select"),
        candidates=folders("configs"),
        seed=config["selection"]["seed"],
    shell:
        "labeldropout select-hyperparameters --candidates {params.candidates:q}"
        " --seed {params.seed} --output {output.selected:q} --table {output.table:q}"
        " > {log:q} 2>&1"


rule resolve:
    message:
        "Write out every setting of {wildcards.model}."
    input:
        selected=ask(STUDY.selected),
    output:
        config="<results>/models/{model}/config.json",
    log:
        "<results>/logs/resolve/{model}.log",
    priority: 60
    localrule: True
    params:
        code=CODE.resolver(),
        row=ask(STUDY.model_row),
        settings=ask(STUDY.model_settings),
    shell:
        "labeldropout resolve --row {params.row:q} --settings {params.settings:q}"
        " --selected {input.selected:q} --config {output.config:q} > {log:q} 2>&1"


rule train:
    message:
        "Train {wildcards.model}, seed {wildcards.seed}."
    input:
        config="<results>/models/{model}/config.json",
        prepared=ask(STUDY.training_data),
        split=ask(STUDY.training_splits),
    output:
        weights=ensure("<results>/models/{model}/seed-{seed}/weights.safetensors", non_empty=True),
        history="<results>/models/{model}/seed-{seed}/history.csv",
        run="<results>/models/{model}/seed-{seed}/run.json",
    log:
        messages="<results>/logs/train/{model}/seed-{seed}.log",
        speed="<results>/benchmarks/train/{model}/seed-{seed}.json",
    benchmark:
        "<results>/benchmarks/train/{model}/seed-{seed}.tsv"
    priority: 50
    threads: 1
    resources:
        gpu=1,
        trainings_per_gpu=1,
        mem_mb=training_memory_mb,
        runtime=1440,
    params:
        code=ask(CODE.trainer),
        device=config["device"],
        prepared=folders("prepared"),
        folder=subpath(output.weights, parent=True),
    shell:
        "labeldropout train --config {input.config:q} --prepared {params.prepared:q}"
        " --split {input.split:q} --seed {wildcards.seed}"
        " --device {params.device} --gpus {resources.gpu}"
        " --trainings-per-gpu {resources.trainings_per_gpu} --threads {threads}"
        " --checkpoints scratch/train"
        " --benchmark {log.speed:q} --output {params.folder:q} > {log.messages:q} 2>&1"


rule models:
    message:
        "Every model of the list, trained with every seed."
    input:
        STUDY.of_trainings("weights.safetensors"),


rule grid:
    message:
        "The grid search."
    input:
        rules.select_hyperparameters.output if STUDY.candidates else [],


rule evaluate:
    message:
        "Predict and score all test sets of {wildcards.model}."
    input:
        weights=ask(STUDY.trained_seeds),
        cases=ask(STUDY.test_cases),
        prepared=ask(STUDY.test_data),
        observed=ask(STUDY.observed_masks),
        split=ask(STUDY.test_splits),
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
        code=ask(CODE.evaluator),
        cases=folders("cases"),
        prepared=folders("prepared"),
        observed=flag("--observed", folders("observed")),
        settings=STUDY.surface_tolerance(),
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
        rules.annotation_kit_export.output if STUDY.has_kit else [],
        expand("<results>/scores/{model}.csv", model=STUDY.study_models),
