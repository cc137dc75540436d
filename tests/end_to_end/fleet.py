"""Several headless bots on one account, the broker that they are commanded through, and the operator who does it.

A bot is what a container of Hummingbot's image runs: `hummingbot_quickstart.py` with HEADLESS_MODE. The wheel has this
program without two files that stand beside it in a checkout and in the image; a home here gets them.
"""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import yaml

from backpack_connector.demo.home import Home
from backpack_connector.demo.processes import Programs
from tests.programs import needed_program

OPERATOR = "operator"
ANSWER_S = 40.0  # Hummingbot gives a command up to 30 s
QUICKSTART = "hummingbot_quickstart.py"
# What quickstart imports besides: the folder above on the path, and names of which a headless bot uses none.
BESIDE = {
    "path_util.py": "import sys\nfrom os.path import dirname\n\nsys.path.insert(0, dirname(dirname(__file__)))\n",
    "hummingbot.py": "detect_available_port = UIStartListener = None\n",
    "__init__.py": "",
    "ptpython/repl.py": "embed = None\n",
}


def find_broker() -> str:
    """Find mosquitto, which Debian puts where only root's PATH looks."""
    sentence = "There is no MQTT broker: install Debian's package mosquitto."
    return needed_program(["mosquitto"], sentence, more_folders=":/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True)
class Broker:
    """A running broker: each bot is a user of its own, named as its instance; the operator may use all topics."""

    port: int
    passwords: Mapping[str, str]

    def bridge(self, instance: str) -> dict[str, Any]:
        """Return what a bot's client configuration says about the broker."""
        return {
            "mqtt_host": "127.0.0.1",
            "mqtt_port": self.port,
            "mqtt_username": instance,
            "mqtt_password": self.passwords[instance],
            "mqtt_autostart": True,
        }


@contextmanager
def running_broker(folder: Path, configuration: str, rules: str, instances: list[str]) -> Iterator[Broker]:
    """Run mosquitto on a free port of this machine, with the configuration and the rules that a page shows."""
    program = find_broker()
    folder.mkdir()
    passwords = {name: f"password of {name}" for name in (*instances, OPERATOR)}
    (folder / "passwords").write_text("".join(f"{name}:{word}\n" for name, word in passwords.items()))
    (folder / "passwords").chmod(0o600)
    subprocess.run(["mosquitto_passwd", "-U", str(folder / "passwords")], check=True, capture_output=True, timeout=30)
    (folder / "access").write_text(rules)
    (folder / "access").chmod(0o600)
    port = _free_port()
    text = configuration.replace("1883", str(port)).replace("/etc/mosquitto/", f"{folder}/")
    # Started by root it would become another user, to whom the test's folder is closed.
    (folder / "mosquitto.conf").write_text(text + "user root\n" * (os.geteuid() == 0))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([program, "-c", str(folder / "mosquitto.conf")], stdout=log, stderr=log)
    try:
        _wait_for_listener(process, port, folder / "log")
        yield Broker(port, passwords)
    finally:
        process.terminate()
        process.wait(10)


def _free_port() -> int:
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        return int(candidate.getsockname()[1])


def _wait_for_listener(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"The broker does not listen on port {port}.")


def add_quickstart(home: Home) -> None:
    """Give a home the program that Hummingbot's image starts, with what it finds there."""
    folder = home.folder / "bin"
    for name, text in BESIDE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    shutil.copy(Path(sysconfig.get_path("scripts")) / QUICKSTART, folder)


def start_headless(programs: Programs, home: Home, script: str, password: str) -> "subprocess.Popen[bytes]":
    """Start a bot as the image does, with everything said by environment variables."""
    told = {"HEADLESS_MODE": "true", "SCRIPT_CONFIG": script, "CONFIG_PASSWORD": password}
    with (home.folder / "logs" / "printed.log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, f"bin/{QUICKSTART}"],
            cwd=home.folder,
            env={**programs.environment, **told},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def configure_client(home: Home, **settings: Any) -> None:
    """Change a home's client configuration."""
    file = home.folder / "conf" / "conf_client.yml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **settings}))


@dataclass
class Operator:
    """Who listens to all topics of the broker, and sends commands to single bots."""

    client: aiomqtt.Client
    told: dict[str, list[tuple[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    """By instance: the rest of the topic, and what came."""
    _answers: dict[str, asyncio.Future[Any]] = field(default_factory=dict)

    async def listen(self) -> None:
        async for message in self.client.messages:
            _, instance, rest = str(message.topic).split("/", 2)
            assert isinstance(message.payload, bytes)
            content = json.loads(message.payload)
            if rest in self._answers:
                self._answers.pop(rest).set_result(content["data"])
            else:
                self.told[instance].append((rest, content))

    def events(self, instance: str, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the data of the events that an instance has told."""
        rows = [content for rest, content in self.told[instance] if rest == "events"]
        return [row["data"] for row in rows if kind in (None, row["type"])]

    async def command(self, instance: str, name: str, **data: Any) -> Any:
        """Send a command and return its answer."""
        rest = f"answers/{len(self._answers)}{time.monotonic_ns()}"
        answer = self._answers[rest] = asyncio.get_running_loop().create_future()
        header = {"reply_to": f"hbot/{instance}/{rest}"}
        await self.client.publish(f"hbot/{instance}/{name}", json.dumps({"header": header, "data": data}), qos=1)
        return await asyncio.wait_for(answer, ANSWER_S)


@asynccontextmanager
async def operator_of(broker: Broker) -> AsyncIterator[Operator]:
    """Connect to the broker as the one who may use all topics."""
    password = broker.passwords[OPERATOR]
    async with aiomqtt.Client("127.0.0.1", broker.port, username=OPERATOR, password=password) as client:
        await client.subscribe("hbot/#", qos=1)
        operator = Operator(client)
        listening = asyncio.create_task(operator.listen())
        try:
            yield operator
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
