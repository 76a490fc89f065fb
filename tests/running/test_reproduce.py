"""One run at a time: what is held, refused, ended and cleared away before Snakemake starts."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import psutil
import pytest

from labeldropout.cli.main import main, parser
from labeldropout.running.reproduce import (
    LOCK,
    MARKER,
    FolderBusyError,
    asks_for_slurm,
    cancel_slurm_jobs,
    end_orphans,
    has_locks,
    looks_only,
    orphans,
    refuse_live_run,
    remove_debris,
    reproduce,
    take_lock,
)

JOB = dict.fromkeys(("GOTO_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
RUN_NAME = "5b1c9f8e-8a44-4c0e-9d6b-0f4f3a1f7c11"
SNAKEFILE = """
rule train:
    output: "weights"
    shell: "labeldropout train --output {output}"
"""


@pytest.fixture
def root(tmp_path):
    """A folder with a workflow."""
    folder = (tmp_path / "study").resolve()
    folder.mkdir()
    (folder / "Snakefile").write_text(SNAKEFILE)
    return folder


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder on the path for programs that only pretend; returns a function that writes one."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def write(name, text):
        path = folder / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def start(root):
    """A function that starts a program and waits until it says something; all end with the test."""
    started = []

    def begin(*words, cwd=root, env=None):
        process = subprocess.Popen(words, cwd=cwd, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE)
        started.append(process)
        process.stdout.readline()
        return psutil.Process(process.pid)

    yield begin
    for process in started:
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def sleeper(programs):
    """Programs of these names that say that they are there, and sleep."""
    text = f"#!{sys.executable}\nimport time\nprint('here', flush=True)\ntime.sleep(60)\n"
    return {name: str(programs(name, text)) for name in ("snakemake", "labeldropout", "notebook")}


@pytest.fixture
def job(start, sleeper):
    """A function that starts a verb as Snakemake starts a job: from a shell, with its variables."""

    def begin(call="labeldropout train --output weights", **options):
        assert sleeper
        options.setdefault("env", JOB)
        return start("/bin/bash", "-c", f"set -euo pipefail;  {call} 2>&1", **options)

    return begin


def test_words_are_passed_on_as_they_are():
    """Snakemake's flags need no `--` before them, and keep their order."""
    words = ["--cores", "2", "--configfile", "config/smoke.yaml", "figure_4", "--quiet", "rules", "--", "x"]
    assert parser().parse_args(["reproduce", *words]).passed_on == words


def test_folder_without_workflow_is_refused(tmp_path, monkeypatch, capsys):
    """In a wrong folder the command says where it is, and leaves nothing there."""
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "--cores", "1"]) == 1
    said = capsys.readouterr().err
    assert str(tmp_path) in said
    assert "Snakefile" in said
    assert list(tmp_path.iterdir()) == []


def test_another_folder_is_refused(root, monkeypatch, capsys):
    """The lock is that of the current folder, so Snakemake may not be sent to another one."""
    monkeypatch.chdir(root)
    assert main(["reproduce", "--directory", "elsewhere"]) == 1
    assert "--directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--dry-run figure_4", True),
        ("--cores 2 -n", True),
        ("-np figure_4", True),
        ("--lint", True),
        ("--cores 2 figure_4", False),
        ("--unlock", False),
        ("--configfile -name", False),
        ("--touch", False),
    ],
)
def test_a_look_is_told_from_a_run(words, expected):
    """A dry run holds nobody up and clears nothing away."""
    assert looks_only(words.split()) == expected


def test_lock_names_its_holder(root):
    """Who is refused hears who holds the folder, since when and with which command."""
    with take_lock(root, ["--cores", "2", "figure_4"]) as before:
        assert before is None
        with pytest.raises(FolderBusyError) as refusal, take_lock(root, ["figure_5"]):
            pass
    said = str(refusal.value)
    content = json.loads((root / LOCK).read_text())
    assert content["pid"] == os.getpid()
    assert all(str(value) in said for value in content.values())
    assert "labeldropout reproduce --cores 2 figure_4" in said
    assert f"kill -INT {os.getpid()}" in said
    assert "\n" not in said


def test_lock_goes_into_the_next_program_and_ends_with_it(root, start):
    """The lock survives `exec`, no child inherits it, and `kill -9` frees it."""
    code = (
        "import os, subprocess, sys; from pathlib import Path; from labeldropout.running.reproduce import take_lock\n"
        "with take_lock(Path('.').resolve(), []):"
        " os.execv(sys.executable, [sys.executable, '-c', 'import subprocess, time;"
        ' subprocess.Popen(["sleep", "60"]); print("here", flush=True); time.sleep(60)\'])'
    )
    holder = start(sys.executable, "-c", code)
    child = holder.children()[0]
    with pytest.raises(FolderBusyError, match=str(holder.pid)), take_lock(root, []):
        pass
    holder.kill()
    holder.wait()
    assert child.is_running()
    with take_lock(root, []) as before:
        assert before.pid == holder.pid
    child.kill()


def test_unreadable_lock_file_is_still_a_lock(root):
    """A holder that was stopped before it could write is a holder."""
    with take_lock(root, []):
        (root / LOCK).write_text("")
        with pytest.raises(FolderBusyError, match="a run is alive"), take_lock(root, []):
            pass


@pytest.mark.parametrize("how", [[], [sys.executable, "-u"]], ids=["script", "python"])
def test_plain_snakemake_counts_as_a_live_run(root, start, sleeper, how):
    """A Snakemake without our lock is found by its command line and folder."""
    process = start(*how, sleeper["snakemake"], "--cores", "2", "figure_4")
    with pytest.raises(FolderBusyError, match=rf"process {process.pid} .*snakemake --cores 2 figure_4"):
        refuse_live_run(root)
    process.kill()
    while process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    refuse_live_run(root)  # killed and not yet waited for: nobody is there


@pytest.mark.parametrize("words", [["--dry-run"], ["--mode", "remote"], ["--mode=subprocess"]], ids=" ".join)
def test_looks_and_single_jobs_are_no_live_run(root, start, sleeper, words):
    """A dry run, and the Snakemake that a job of a run starts, refuse nobody."""
    start(sleeper["snakemake"], *words)
    refuse_live_run(root)


def test_snakemake_of_another_folder_is_no_live_run(root, start, sleeper, tmp_path):
    """Two studies in two folders do not meet, nor does a program that only speaks of Snakemake."""
    start(sleeper["snakemake"], "--cores", "2", cwd=tmp_path)
    start(sleeper["notebook"], "snakemake")
    refuse_live_run(root)


def test_jobs_of_a_dead_run_are_ended_and_reported(root, job, caplog):
    """The shell of a rule and the verb in it end, with one line for both."""
    shell = job()
    tree = [shell, *shell.children(recursive=True)]
    assert len(tree) == 2
    end_orphans(root)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in tree)
    assert [record.message for record in caplog.records] == [
        f"Ending a job that outlived its run: process {shell.pid}, labeldropout train --output weights 2>&1"
    ]


def test_verb_whose_shell_is_gone_is_found(root, job):
    """A killed shell does not hide its verb."""
    shell = job()
    verb = shell.children()[0]
    shell.kill()
    shell.wait()
    assert [process.pid for process, _ in orphans(root)] == [verb.pid]
    verb.kill()


def test_marked_processes_are_jobs_whatever_they_are(root, start, sleeper, tmp_path):
    """What a run of ours started carries the run's mark, also in another folder and under another name."""
    marked = start(sleeper["notebook"], cwd=tmp_path, env={MARKER: str(root)})
    start(sleeper["notebook"], env={MARKER: str(tmp_path)})
    assert [process.pid for process, _ in orphans(root)] == [marked.pid]


def test_own_programs_of_a_user_are_left_alone(root, start, job, sleeper, tmp_path):
    """A verb by hand, a verb that no rule calls, a notebook, and the jobs of another folder are nobody's orphans."""
    start(sleeper["labeldropout"], "train")
    start(sleeper["labeldropout"], "predict", env=JOB)
    job("labeldropout predict --output here")
    start(sleeper["notebook"], env=JOB)
    job(cwd=tmp_path)
    assert orphans(root) == []


def test_jobs_under_a_living_snakemake_are_no_orphans(root, start, sleeper, programs):
    """Only what has no run above it has outlived its run."""
    text = Path(sleeper["snakemake"]).read_text()
    call = "subprocess.Popen(['/bin/bash', '-c', 'set -euo pipefail;  labeldropout train --output weights 2>&1'])"
    programs("snakemake", text.replace("print(", f"import subprocess\n{call}\ntime.sleep(1)\nprint("))
    run = start(sleeper["snakemake"], "--cores", "2", env=JOB)
    job = run.children()[0]
    assert orphans(root) == []
    run.kill()
    run.wait()
    assert [process.pid for process, _ in orphans(root)] == [job.pid]
    end_orphans(root)


def test_jobs_that_do_not_listen_are_killed(root, start, programs, caplog):
    """A job that ignores SIGTERM has a time to end, then it is killed."""
    deaf = programs(
        "labeldropout",
        f"#!{sys.executable}\nimport signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('here', flush=True)\ntime.sleep(60)\n",
    )
    process = start(str(deaf), "train", env=JOB)
    begin = time.monotonic()
    end_orphans(root, patience_s=0.5)
    assert 0.5 < time.monotonic() - begin < 10
    assert not process.is_running()
    assert "killing it" in caplog.records[-1].message


def test_half_written_files_of_the_dead_are_removed(root, caplog):
    """What a killed job wrote beside its output goes; outputs and the file of a process that lives stay."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    folder = root / "results" / "figures"
    folder.mkdir(parents=True)
    names = [f".figure_4.svg.{os.getpid()}.part", "figure_4.svg", ".hidden.part", f"notes.{gone.pid}.part"]
    for name in [*names, f".figure_4.svg.{gone.pid}.part"]:
        (folder / name).touch()
    remove_debris(root)
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--executor slurm", True),
        ("--executor=slurm --jobs 3", True),
        ("--workflow-profile mine", True),
        ("--workflow-profile=profiles/mine figure_4", True),
        ("--cores 2 figure_4", False),
        ("--workflow-profile gpu", False),
    ],
)
def test_slurm_is_asked_for_by_name_or_by_profile(root, words, expected):
    """A profile of the user's own may have any name; what counts is its executor."""
    for name, text in {"mine": "jobs: 5\nexecutor: slurm\n", "gpu": "cores: all\n", "default": "cores: 2\n"}.items():
        (root / "profiles" / name).mkdir(parents=True)
        (root / "profiles" / name / "profile.yaml").write_text(text)
    assert asks_for_slurm(root, words.split()) == expected


@pytest.fixture
def slurm(root, programs):
    """A Slurm that pretends, with a list of jobs that cancelling shortens."""
    jobs = root.parent / "jobs.txt"
    programs("squeue", f"#!/bin/sh\ncat {jobs}\n")
    programs("scancel", f'#!/bin/sh\necho "$@" >> {jobs}.cancelled\nfor i; do sed -i "/^$i|/d" {jobs}; done\n')
    return jobs


def test_slurm_jobs_of_a_dead_run_are_cancelled(root, slurm, caplog, monkeypatch):
    """Cancelled is what Snakemake submitted from this folder, and nothing else of this user's."""
    monkeypatch.setenv("SLURM_JOB_ID", "15")
    slurm.write_text(
        f"11|RUNNING|{RUN_NAME}|{root}\n"
        f"12|PENDING|prefix_{RUN_NAME}|{root}\n"
        f"13|RUNNING|{RUN_NAME}|{root.parent}\n"
        f"14|RUNNING|notebook|{root}\n"
        f"15|RUNNING|{RUN_NAME}|{root}\n"
    )
    cancel_slurm_jobs(root, is_needed=True)
    assert Path(f"{slurm}.cancelled").read_text().split() == ["11", "12"]
    assert len(caplog.records) == 2
    assert "Slurm job 11 (running)" in caplog.text


def test_slurm_jobs_that_do_not_end_stop_the_run(root, slurm, programs):
    """As long as Slurm still has a job of the dead run, nothing is started beside it."""
    programs("scancel", "#!/bin/sh\n")
    slurm.write_text(f"11|COMPLETING|{RUN_NAME}|{root}\n")
    with pytest.raises(FolderBusyError, match="do not end: 11"):
        cancel_slurm_jobs(root, is_needed=True, patience_s=0.1)


def test_silent_slurm_stops_only_those_who_need_it(root, programs, caplog):
    """A dead controller is no reason to refuse a local run, and a good one to refuse a run on the cluster."""
    programs("squeue", "#!/bin/sh\necho 'Unable to contact slurm controller' >&2\nexit 1\n")
    cancel_slurm_jobs(root, is_needed=False)
    assert "Unable to contact" in caplog.text
    with pytest.raises(FolderBusyError, match="Unable to contact"):
        cancel_slurm_jobs(root, is_needed=True)


def leave_lock(root):
    """What a killed Snakemake leaves."""
    (root / ".snakemake" / "locks").mkdir(parents=True)
    (root / ".snakemake" / "locks" / "0.output.lock").write_text("weights\n")


def test_run_on_another_machine_is_spoken_of(root, monkeypatch, caplog):
    """After a death on another machine the user hears that its jobs are not seen from here."""
    leave_lock(root)
    (root / LOCK).write_text(json.dumps({"pid": 1, "host": "elsewhere", "since": "then", "command": "c"}))
    monkeypatch.chdir(root)
    monkeypatch.setattr("os.execve", Mock(side_effect=SystemExit))
    monkeypatch.setattr("subprocess.run", Mock())
    with pytest.raises(SystemExit):
        reproduce(root, ["--cores", "1"])
    assert "elsewhere" in caplog.records[0].message


def run(root, *words):
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "labeldropout", "reproduce", *words],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )


def test_killed_run_goes_on(root):
    """With a dead run's lock in the folder, the same command runs to its end, and jobs find this installation."""
    (root / "Snakefile").write_text('rule one:\n    output: "done"\n    shell: "echo $PATH > {output}"\n')
    leave_lock(root)
    (root / ".snakemake" / "locks" / "0.output.lock").write_text("done\n")
    plain = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1"], cwd=root, capture_output=True, check=False
    )
    assert plain.returncode == 1
    result = run(root, "--cores", "1")
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("its lock is removed") == 1
    assert not has_locks(root)
    assert (root / "done").read_text().startswith(str(Path(sys.executable).parent))


def test_failed_run_fails(root):
    """The exit status is Snakemake's."""
    (root / "Snakefile").write_text('rule one:\n    output: "done"\n    shell: "false"\n')
    assert run(root, "--cores", "1").returncode == 1


def test_dry_run_touches_nothing(root):
    """A look neither locks nor unlocks."""
    (root / "Snakefile").write_text('rule one:\n    output: "done"\n    shell: "false"\n')
    leave_lock(root)
    assert run(root, "--dry-run").returncode == 0
    assert has_locks(root)
    assert not (root / LOCK).exists()
