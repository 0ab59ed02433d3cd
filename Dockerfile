FROM python:3.13-slim AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1
RUN python -m venv /build && python -m venv /opt/voicebridge
COPY scripts/install-lock requirements-build.lock requirements-serve.lock ./
RUN ./install-lock /build/bin/python requirements-build.lock \
 && ./install-lock /opt/voicebridge/bin/python requirements-serve.lock
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
WORKDIR /srv/voicebridge
USER 10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["voicebridge"]
CMD ["serve"]
