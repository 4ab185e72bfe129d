"""What compose.yaml says of a service, with the secrets that docker/prepare made in a folder."""

import pathlib

from ruamel.yaml import YAML


def services():
    return YAML(typ="safe").load(pathlib.Path("docker/compose.yaml"))["services"]


def is_ours(service):
    return service["image"].startswith("reinstate-")


def settings(service, secrets):
    """The environment that an engine would give it."""
    values = pairs(secrets / ".env")
    found = {}
    for file in service.get("env_file", []):
        found |= pairs(secrets / file)
    for key, value in service.get("environment", {}).items():
        value = str(value)
        found[key] = values[value[2:].split(":")[0]] if value.startswith("${") else value
    return found


def pairs(file):
    return dict(line.split("=", 1) for line in file.read_text().splitlines())
