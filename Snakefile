from snakemake.utils import min_version, validate

min_version("9.27")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"


validate(config, "workflow/schemas/config.schema.yaml")


container: "envs/labeldropout.sif"


include: "workflow/rules/data.smk"
include: "workflow/rules/learning.smk"
include: "workflow/rules/analysis.smk"
include: "workflow/rules/publication.smk"


rule all:
    default_target: True
    message:
        "Everything that the study publishes: models, tables, figures and the record of the run."
    input:
        rules.models.input,
        rules.tables.input,
        rules.figures.input,
        rules.run_record.output,
