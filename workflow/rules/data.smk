rule simulate:
    message:
        "Simulate {wildcards.dataset}, in the data set's own format."
    output:
        manifest="<data>/{tree}raw/{dataset}/manifest.csv",
        truth="<data>/{tree}truth/{dataset}/cases.csv",
        truth_images="<data>/{tree}truth/{dataset}/images.u8",
        truth_targets="<data>/{tree}truth/{dataset}/targets.u8",
        truth_pixels="<data>/{tree}truth/{dataset}/pixels.json",
        hearts="<data>/{tree}truth/{dataset}/hearts.csv",
    log:
        "<data>/logs/simulate/{tree}{dataset}.log",
    benchmark:
        "<data>/benchmarks/simulate/{tree}{dataset}.tsv"
    priority: 100
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=ask(CODE.simulator),
        settings=ask(STUDY.simulation_settings),
        severity=ask(STUDY.severity_of),
        seed=config["seed"],
        root=subpath(output.manifest, parent=True),
        truth=subpath(output.truth, parent=True),
    shell:
        "labeldropout simulate --dataset {wildcards.dataset}"
        " --settings {params.settings:q} --severity {params.severity} --seed {params.seed}"
        " --root {params.root:q} --truth {params.truth:q} > {log:q} 2>&1"


rule import_dataset:
    message:
        "Import {wildcards.dataset} into a store of cases."
    input:
        raw=ask(STUDY.raw_data),
        curation=ask(STUDY.curation_list),
    output:
        cases="<data>/{tree}cases/{dataset}/cases.csv",
        images="<data>/{tree}cases/{dataset}/images.u8",
        targets="<data>/{tree}cases/{dataset}/targets.u8",
        pixels="<data>/{tree}cases/{dataset}/pixels.json",
        summary="<data>/{tree}cases/{dataset}/report.json",
        rejected="<data>/{tree}cases/{dataset}/rejected.csv",
        contact_sheet="<data>/{tree}cases/{dataset}/contact_sheet.png",
    log:
        "<data>/logs/import_dataset/{tree}{dataset}.log",
    benchmark:
        "<data>/benchmarks/import_dataset/{tree}{dataset}.tsv"
    priority: 100
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        code=ask(CODE.importer),
        root=ask(STUDY.raw_folder),
        settings=ask(STUDY.import_settings),
        curation=flag("--curation", files("curation")),
        on_bad_case=config["on_bad_case"],
        store=subpath(output.cases, parent=True),
    shell:
        "labeldropout import-dataset --name {wildcards.dataset} {params.settings:q}"
        " --root {params.root:q} --output {params.store:q} {params.curation:q}"
        " --on-bad-case {params.on_bad_case} > {log:q} 2>&1"


rule train_cone:
    message:
        "Train the network that finds the cone."
    input:
        masks=config["cone_network"]["masks"] or [],
    output:
        network="<data>/cone_network/network.safetensors",
        plans="<data>/cone_network/plans.json",
    log:
        "<data>/logs/train_cone/log.log",
    benchmark:
        "<data>/benchmarks/train_cone/all.tsv"
    priority: 100
    resources:
        gpu=1,
        trainings_per_gpu=1,
        mem_mb=8000,
        runtime=720,
    params:
        code=fingerprint("data.cone_network:train_cone_network"),
        settings=as_json(config["cone_network"]),
        seed=config["seed"],
        device=config["device"],
        folder=subpath(output.network, parent=True),
    shell:
        "labeldropout train-cone --settings {params.settings:q} --seed {params.seed}"
        " --device {params.device} --gpus {resources.gpu}"
        " --trainings-per-gpu {resources.trainings_per_gpu}"
        " --output {params.folder:q} > {log:q} 2>&1"


rule segment_cone:
    message:
        "Find the cone of every case of {wildcards.dataset}."
    input:
        cases="<data>/{tree}cases/{dataset}/cases.csv",
        images="<data>/{tree}cases/{dataset}/images.u8",
        network=ask(STUDY.cone_network),
    output:
        cones="<data>/{tree}cones/{dataset}/cones.csv",
        masks="<data>/{tree}cones/{dataset}/masks.u8",
        worst="<data>/{tree}cones/{dataset}/worst.png",
    log:
        "<data>/logs/segment_cone/{tree}{dataset}.log",
    benchmark:
        "<data>/benchmarks/segment_cone/{tree}{dataset}.tsv"
    priority: 100
    resources:
        gpu=1,
        trainings_per_gpu=1,
        mem_mb=4000,
        runtime=240,
    params:
        code=fingerprint("data.segment_cone:segment_cones"),
        method=ask(STUDY.cone_method),
        device=config["device"],
        store=subpath(input.cases, parent=True),
        folder=subpath(output.cones, parent=True),
    shell:
        "labeldropout segment-cone --cases {params.store:q} {params.method:q}"
        " --device {params.device} --gpus {resources.gpu}"
        " --trainings-per-gpu {resources.trainings_per_gpu}"
        " --output {params.folder:q} > {log:q} 2>&1"


rule prepare:
    message:
        "Crop {wildcards.dataset} to its cones and resize it to the network's grid."
    input:
        cases="<data>/{tree}cases/{dataset}/cases.csv",
        images="<data>/{tree}cases/{dataset}/images.u8",
        targets="<data>/{tree}cases/{dataset}/targets.u8",
        pixels="<data>/{tree}cases/{dataset}/pixels.json",
        cones="<data>/{tree}cones/{dataset}/cones.csv",
        masks="<data>/{tree}cones/{dataset}/masks.u8",
    output:
        cases="<data>/{tree}prepared/{dataset}/cases.csv",
        images="<data>/{tree}prepared/{dataset}/images.npy",
        targets="<data>/{tree}prepared/{dataset}/targets.npy",
        pixels="<data>/{tree}prepared/{dataset}/pixels.json",
    log:
        "<data>/logs/prepare/{tree}{dataset}.log",
    benchmark:
        "<data>/benchmarks/prepare/{tree}{dataset}.tsv"
    priority: 100
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        code=fingerprint("data.prepare:prepare"),
        grid_size=config["grid_size"],
        margin=config["crop_margin"],
        store=subpath(input.cases, parent=True),
        cones=subpath(input.cones, parent=True),
        folder=subpath(output.cases, parent=True),
    shell:
        "labeldropout prepare --cases {params.store:q} --cones {params.cones:q}"
        " --grid-size {params.grid_size} --margin {params.margin}"
        " --output {params.folder:q} > {log:q} 2>&1"


rule split:
    message:
        "Assign every patient of {wildcards.dataset} to training, validation or test."
    input:
        cases="<data>/cases/{dataset}/cases.csv",
    output:
        parts="<data>/splits/{dataset}.csv",
    log:
        "<data>/logs/split/{dataset}.log",
    benchmark:
        "<data>/benchmarks/split/{dataset}.tsv"
    priority: 100
    localrule: True
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=ask(CODE.splitter),
        store=subpath(input.cases, parent=True),
        settings=ask(STUDY.split_settings),
        root=ask(STUDY.native_root),
        seed=config["seed"],
    shell:
        "labeldropout split --cases {params.store:q} --settings {params.settings:q}"
        " --root {params.root:q} --seed {params.seed}"
        " --output {output.parts:q} > {log:q} 2>&1"


rule annotation_kit_export:
    message:
        "Export test images for an observer to draw on."
    input:
        cases=expand("<data>/cases/{dataset}/cases.csv", dataset=config["kit"]["dataset"]),
        split=expand("<data>/splits/{dataset}.csv", dataset=config["kit"]["dataset"]),
    output:
        kit="<data>/annotation/kit/kit.csv",
    log:
        "<data>/logs/annotation_kit_export/log.log",
    priority: 40
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=fingerprint("data.annotation_kit:export_kit"),
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
        kit="<data>/annotation/kit/kit.csv",
        truth=expand("<data>/truth/{dataset}/cases.csv", dataset=config["kit"]["dataset"]),
    output:
        drawn="<data>/annotation/drawn/drawn.csv",
    log:
        "<data>/logs/observe/log.log",
    priority: 40
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=fingerprint("data.observe:observe"),
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
        cases=expand("<data>/cases/{dataset}/cases.csv", dataset=config["kit"]["dataset"]),
        kit="<data>/annotation/kit/kit.csv",
        drawn=ask(STUDY.drawn_masks),
    output:
        cases="<data>/annotation/observed/cases.csv",
        images="<data>/annotation/observed/images.u8",
        targets="<data>/annotation/observed/targets.u8",
        pixels="<data>/annotation/observed/pixels.json",
    log:
        "<data>/logs/annotation_kit_import/log.log",
    priority: 40
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=fingerprint("data.annotation_kit:import_kit"),
        store=folders("cases"),
        kit=subpath(input.kit, parent=True),
        drawn=STUDY.drawn_folder(),
        folder=subpath(output.cases, parent=True),
    shell:
        "labeldropout annotation-kit import --cases {params.store:q} --kit {params.kit:q}"
        " --drawn {params.drawn:q} --output {params.folder:q} > {log:q} 2>&1"


rule annotation_kit:
    message:
        "The images on which an observer draws."
    input:
        rules.annotation_kit_export.output,
