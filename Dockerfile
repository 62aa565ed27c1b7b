# The service and its models in one image: docker build -t keystroke .
#
#   --build-arg MODELS=given       takes the models in models/, trained before, instead of training
#   --build-arg CSV=data/mine.csv  trains on another CSV in data/ than the sample
#   --build-arg REVISION=...       commit it is built from, for the label
#   --platform linux/arm64         for Graviton; no stage runs on the target, so no emulator is needed
#   --secret id=ca,src=ca.pem      CA bundle for a network that inspects TLS; nothing of it stays in the image

FROM --platform=$BUILDPLATFORM docker.io/library/python:3.12-slim-bookworm AS notebook
ARG MODELS=trained
WORKDIR /keystroke
COPY notebook/requirements.txt notebook/
RUN --mount=type=secret,id=ca,required=false \
    if [ "$MODELS" = given ]; then exit; fi; \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
      --require-hashes --only-binary=:all: -r notebook/requirements.txt


# JupyterLab on the repository: docker compose --profile notebook up.
FROM notebook AS jupyter
COPY notebook/jupyter.txt notebook/
RUN --mount=type=secret,id=ca,required=false \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
      --require-hashes --only-binary=:all: -r notebook/jupyter.txt
ENV PYTHONPATH=/keystroke/notebook
EXPOSE 8888
ENTRYPOINT ["jupyter", "lab", "--ip=0.0.0.0", "--port=8888", "--no-browser", "--allow-root"]


# Runs the notebook, or takes what it left in models/ before. Models are the same for every platform. One
# thread: rows are so few that several wait for each other longer than they compute where others build too.
FROM notebook AS models
ARG MODELS=trained
COPY notebook notebook
COPY data data
COPY models/manifest.schema.json models/
COPY models given
ARG CSV=data/sample.csv
RUN case "$MODELS" in \
      trained) PYTHONPATH=notebook OMP_NUM_THREADS=1 python -m keystroke.commands.train "$CSV" --models models ;; \
      given) cp given/manifest.json given/*.onnx models ;; \
      *) echo "MODELS is trained or given, and not $MODELS" >&2; exit 1 ;; \
    esac


FROM --platform=$BUILDPLATFORM docker.io/library/node:24-bookworm-slim AS lock
WORKDIR /keystroke
COPY .npmrc package.json package-lock.json ./


# Compiles the service and has it load and test the models: an image that could not start is not built.
FROM lock AS build
RUN --mount=type=secret,id=ca,required=false \
    if [ -s /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca; fi; \
    npm ci --ignore-scripts
COPY tsconfig.json ./
COPY scripts scripts
COPY server server
RUN node_modules/.bin/tsx scripts/build.ts --sourceMap false && \
    find server/dist \( -name '*.tsbuildinfo' -o -name '*.d.ts' ! -name recorder.d.ts \) -delete
COPY --from=models /keystroke/models models
RUN node --input-type=module --eval \
    "const { loadModels } = await import('/keystroke/server/dist/models/load.js'); \
     await loadModels('models').catch(({ message }) => { console.error(message); process.exit(1) })"


# What production needs on the target, and of that what runs: no other platform's libraries, no types, maps or
# sources, and no TypeBox, which the build has put into one file.
FROM lock AS dependencies
ARG TARGETARCH
RUN --mount=type=secret,id=ca,required=false \
    if [ -s /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca; fi; \
    case "$TARGETARCH" in \
      amd64) cpu=x64 ;; \
      arm64) cpu=arm64 ;; \
      *) echo "onnxruntime has no library for $TARGETARCH" >&2; exit 1 ;; \
    esac && \
    npm ci --omit=dev --ignore-scripts --os=linux --cpu=$cpu && \
    cd node_modules && \
    find onnxruntime-node/bin -mindepth 2 -type d -not -path '*/linux' -not -path "*/linux/$cpu" \
      -prune -exec rm -r {} + && \
    find . -type f \( -name '*.map' -o -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -name '*.md' \) -delete && \
    rm -r .bin .package-lock.json typebox && \
    rm -rf @libsql/*-musl
# Where enrolled users are kept, if a volume is mounted there.
RUN install -d -o 1000 -g 1000 -m 700 /owned/users


# Nothing is run in this stage, so that an image of another processor is built without an emulator. The platform is the
# default, which buildah forgets (its issue 5968): it would take the one of the stages above.
FROM --platform=$TARGETPLATFORM docker.io/library/node:24-bookworm-slim
WORKDIR /keystroke
# From what changes least to what changes most, so that a new model is a small push.
COPY --from=dependencies /keystroke/node_modules node_modules
COPY package.json ./
COPY --from=build /keystroke/server/dist server/dist
COPY --from=models --chmod=0444 /keystroke/models/*.onnx /keystroke/models/manifest.json models/

COPY --from=dependencies --chown=1000:1000 /owned ./

# Keys, or REQUIRE_API_KEY=false, must be set when it is run. 20 s are two failed checks of a load balancer
# that asks every 5 s, twice over. The option is that of scripts/lib/processes.ts, for 1 GB of memory or more.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 DRAIN_SECONDS=20 NODE_OPTIONS=--max-semi-space-size=64
EXPOSE 8080
# The user "node" of the base, by number: an orchestrator can see that it is not root.
USER 1000:1000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "server/dist/healthcheck.js"]
# No shell between: node is process 1 and gets the signals itself.
ENTRYPOINT ["node", "server/dist/main.js"]

ARG REVISION=unknown
LABEL org.opencontainers.image.title="keystroke-recognition-service" \
      org.opencontainers.image.description="Tells who is typing from how they type" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="docker.io/library/node:24-bookworm-slim" \
      org.opencontainers.image.revision="$REVISION"
