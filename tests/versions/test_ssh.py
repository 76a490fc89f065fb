"""A remote behind SSH: a real server on this machine, of the test's own, with a port, keys and settings of its own."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from versioned import flip_byte
from workflow_copy import hashes

SSHD = shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"]))
SEPARATION = Path("/run/sshd")
"""Empty folder without which a server of root does not start."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(SSHD is None, reason="no sshd (Debian: openssh-server)"),
    pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen (Debian: openssh-client)"),
]


def free_port():
    """A port that nobody listened to a moment ago."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(port):
    """Whether an SSH server greets at a port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


@pytest.fixture
def server(tmp_path):
    """Port and private key of a server that lets its starter in by this key alone, and ends with the test."""
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o700)
    for name in ("host", "login"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    shutil.copy(folder / "login.pub", folder / "authorized")
    port = free_port()
    (folder / "config").write_text(
        f"Port {port}\n"
        "ListenAddress 127.0.0.1\n"
        f"HostKey {folder / 'host'}\n"
        f"AuthorizedKeysFile {folder / 'authorized'}\n"
        "PidFile none\n"
        "StrictModes no\n"  # pytest's folders may be open to others
        "UsePAM no\n"
        "PermitRootLogin prohibit-password\n"
        "PasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\n"
        f"AllowUsers {getpass.getuser()}\n"
        "Subsystem sftp internal-sftp\n"
    )
    is_made_here = os.geteuid() == 0 and not SEPARATION.is_dir()
    if is_made_here:
        SEPARATION.mkdir(mode=0o755)
    log = folder / "log"
    process = subprocess.Popen([SSHD, "-D", "-f", folder / "config", "-E", log], stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"sshd does not start here: {log.read_text() if log.is_file() else ''}"[-300:])
            time.sleep(0.1)
        yield port, folder / "login"
    finally:
        process.terminate()
        process.wait(10)
        if is_made_here:
            SEPARATION.rmdir()


def use_server(study, server, folder):
    """Let the remote be a folder behind the server."""
    port, key = server
    address = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{folder}"
    study.done(*study.make("remote", f"REMOTE={address}"))
    study.done("dvc", "remote", "modify", "--local", "storage", "keyfile", str(key))


def test_round_trip_over_ssh(pushed, server, tmp_path):
    """What was pushed over SSH arrives in a clone byte for byte; a file altered on the server does not arrive."""
    folder = tmp_path / "server" / "storage"
    shutil.rmtree(pushed.remote)
    use_server(pushed, server, folder)
    assert "files pushed" in pushed.done("dvc", "push")

    clone = pushed.clone(tmp_path / "clone")
    use_server(clone, server, folder)
    clone.done(*clone.make("pull"))
    assert clone.planned() == {}
    assert hashes(clone.root / "results") == hashes(pushed.root / "results")

    name = "e4-p05/seed-0/weights.safetensors"
    flip_byte(pushed.file_in(folder, "results/models", name))
    other = pushed.clone(tmp_path / "other")
    use_server(other, server, folder)
    other.refused("dvc", "pull", "models")
    assert not (other.root / "results" / "models" / name).exists()
