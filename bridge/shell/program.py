"""The version of this program, for those who ask what runs."""

from importlib.metadata import PackageNotFoundError, version


def program_version() -> str:
    """The release; "unknown" in a checkout that is not installed."""
    try:
        return version("voicebridge-server")
    except PackageNotFoundError:
        return "unknown"
