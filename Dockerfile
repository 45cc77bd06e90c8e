# The gateway and what it needs to serve; the simulator's voice and pictures are left out.
# The tag names an exact version. `make k8s-pin` adds its digest, which no one can move.
ARG PYTHON=3.11.14-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /src
RUN python -m venv /opt/gateway
COPY pyproject.toml constraints.txt README.md ./
COPY gateway ./gateway
COPY twiml ./twiml
RUN /opt/gateway/bin/pip install --no-cache-dir --disable-pip-version-check \
    --constraint constraints.txt .

FROM python:${PYTHON}
# One thread for numpy: its products are small, and more threads would slow down other calls.
ENV PATH=/opt/gateway/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OPENBLAS_NUM_THREADS=1 \
    GATEWAY_DATA_DIR=/data
RUN groupadd --gid 10001 gateway \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin gateway \
    && install --directory --owner=10001 --group=10001 /data
COPY --from=build /opt/gateway /opt/gateway
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["gateway"]
CMD ["serve"]
