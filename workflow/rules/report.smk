rule report:
    message:
        "Put the study and the instrument on one page."
    input:
        study=rules.all.input,
        instrument=rules.instrument.input,
        scores=expand("<results>/scores/{model}.csv", model=EXPERIMENTS),
        predictions=expand("<results>/predictions/{model}.npz", model=EXPERIMENTS),
        imports=expand("<results>/cases/{dataset}/report.json", dataset=DATASETS),
        sheets=expand("<results>/cases/{dataset}/contact_sheet.png", dataset=DATASETS),
        cones=expand("<results>/cones/{dataset}/worst.png", dataset=DATASETS),
        template="src/labeldropout/templates/report.html.jinja",
    output:
        page="<results>/report.html",
        folder=directory("<results>/report"),
    log:
        "<results>/logs/report/log.log",
    benchmark:
        "<results>/benchmarks/report/all.tsv"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=fingerprint("report_page:build_report"),
        results=subpath(output.page, parent=True),
    shell:
        "labeldropout report --results {params.results:q} --output {output.page:q} > {log:q} 2>&1"
