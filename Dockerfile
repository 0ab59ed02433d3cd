FROM python:3.13-slim AS build
# Extras of the package, separated by commas: g722, opus, amr-wb, mp3, report.
ARG EXTRAS=
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1
RUN python -m venv /build && python -m venv /opt/voicebridge
COPY scripts/install-lock scripts/extras-lock scripts/
COPY pyproject.toml requirements.lock requirements-build.lock requirements-serve.lock ./
RUN scripts/install-lock /build/bin/python requirements-build.lock \
 && scripts/install-lock /opt/voicebridge/bin/python requirements-serve.lock \
 && scripts/extras-lock "$EXTRAS" >extras.lock \
 && scripts/install-lock /opt/voicebridge/bin/python extras.lock
COPY . .
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && /opt/voicebridge/bin/pip install --no-deps --no-index /dist/*.whl \
 && /opt/voicebridge/bin/pip check \
 && /opt/voicebridge/bin/python -m compileall -q /opt/voicebridge/lib \
 && /opt/voicebridge/bin/pip uninstall --yes pip

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home voicebridge
COPY --from=build /opt/voicebridge /opt/voicebridge
ENV PATH=/opt/voicebridge/bin:$PATH PYTHONUNBUFFERED=1 VOICEBRIDGE_HOST=0.0.0.0
# Settings are mounted here; the folders are for `recording.directory` and `journal.directory`.
WORKDIR /srv/voicebridge
RUN install -d -o 10001 -g 10001 recordings journal
USER 10001
EXPOSE 8080
STOPSIGNAL SIGTERM
# Reads the settings as the server does, and so follows host, port and TLS.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["voicebridge", "health"]
ENTRYPOINT ["voicebridge"]
CMD ["serve"]
