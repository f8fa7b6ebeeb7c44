# The app as an image, for a Docker Space or any host: docker build -t tradeoff . && docker run -p 8501:8501 tradeoff
# What takes long or is large runs through scripts/setup.py, as `make app` does; scripts/space_rehearsal.py runs this file.

# llama.cpp's libraries for AVX2, AVX-512 and AMX: the start chooses by the CPU's flags.
FROM python:3.11-slim-bookworm AS libraries
ENV TRADEOFF_CACHE=/home/user/cache
WORKDIR /home/user/app
COPY scripts/setup.py scripts/build_llama.py scripts/tile_config.h scripts/
COPY data/errors.py data/llama_library.py data/paths.py data/settings.py data/
RUN python scripts/setup.py libraries

# The Python packages; their own tests are a tenth of them and nothing needs those.
FROM python:3.11-slim-bookworm AS environment
ENV TRADEOFF_CACHE=/home/user/cache
WORKDIR /home/user/app
COPY requirements.txt ./
COPY scripts/setup.py scripts/
COPY data/errors.py data/llama_library.py data/paths.py data/settings.py data/
COPY --from=libraries /home/user/cache /home/user/cache
RUN python scripts/setup.py environment && find .venv -type d -name tests -prune -exec rm -rf {} +

FROM python:3.11-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 user && mkdir /home/user/app && chown user:user /home/user/app
USER user
ENV HOME=/home/user TRADEOFF_CACHE=/home/user/cache TRADEOFF_CACHE_QUOTA_GB=30 PYTHONUNBUFFERED=1
WORKDIR /home/user/app
COPY --chown=user:user --from=environment /home/user/app/.venv .venv
COPY --chown=user:user --from=libraries /home/user/cache /home/user/cache
COPY --chown=user:user . .
# The embedded pair and its base, and the real pair that a visitor sees first, pinned by sha256: --build-arg MODELS=tiny leaves
# the second out. Other models come at the first start that asks for them, with progress shown.
ARG MODELS=real
ENV TRADEOFF_MODELS=$MODELS
RUN python scripts/setup.py models && if [ "$TRADEOFF_MODELS" != tiny ]; then python scripts/setup.py real-models; fi
EXPOSE 8501
HEALTHCHECK --start-period=60s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://localhost:8501/_stcore/health', timeout=5)"]
CMD [".venv/bin/python", "-m", "app.serve", "--host", "0.0.0.0", "--port", "8501"]
